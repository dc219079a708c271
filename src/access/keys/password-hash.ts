import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

/** Cost of new hashes: 64 MiB of memory, and about 0.2 s of one core. Source: OWASP, password storage, scrypt with N=2^16. */
const LOG_COST = 16;
const BLOCK_SIZE = 8;
const PARALLELISM = 2;
const HASH_BYTES = 32;
const SALT_BYTES = 16;

/** Bounds of configured hashes: a check must be neither cheap to attack nor a burden for the node. */
const MIN_LOG_COST = 14;
const MAX_LOG_COST = 18;
const MAX_BLOCK_SIZE = 16;
const MAX_PARALLELISM = 8;

const FORM =
  /^scrypt:(?<logCost>\d{1,2}):(?<blockSize>\d{1,2}):(?<parallelism>\d):(?<salt>[\w-]{22,86}):(?<hash>[\w-]{43})$/;

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

interface ParsedHash {
  readonly logCost: number;
  readonly blockSize: number;
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Hashes a password to `scrypt:LOG2_N:R:P:SALT:HASH`, with salt and hash in base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const cost = { logCost: LOG_COST, blockSize: BLOCK_SIZE, parallelism: PARALLELISM };
  const hash = await run(password, { ...cost, salt });
  return ["scrypt", LOG_COST, BLOCK_SIZE, PARALLELISM, salt.toString("base64url"), hash.toString("base64url")].join(
    ":",
  );
}

/** Whether a text is a hash of {@link hashPassword} with a cost within bounds. */
export function isPasswordHash(text: string): boolean {
  return parse(text) !== undefined;
}

/**
 * Compares a password with a hash, in constant time.
 * @throws Error for an invalid hash
 */
export async function verifyPassword(password: string, text: string): Promise<boolean> {
  const parsed = parse(text);
  if (parsed === undefined) throw new Error("invalid password hash");
  return timingSafeEqual(await run(password, parsed), parsed.hash);
}

function parse(text: string): ParsedHash | undefined {
  const groups = FORM.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const { blockSize, hash = "", logCost, parallelism, salt = "" } = groups;
  const parsed = {
    logCost: Number(logCost),
    blockSize: Number(blockSize),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, "base64url"),
    hash: Buffer.from(hash, "base64url"),
  };
  const isWithinBounds =
    parsed.logCost >= MIN_LOG_COST &&
    parsed.logCost <= MAX_LOG_COST &&
    parsed.blockSize >= BLOCK_SIZE &&
    parsed.blockSize <= MAX_BLOCK_SIZE &&
    parsed.parallelism >= 1 &&
    parsed.parallelism <= MAX_PARALLELISM &&
    parsed.hash.length === HASH_BYTES;
  return isWithinBounds ? parsed : undefined;
}

function run(password: string, cost: Omit<ParsedHash, "hash">): Promise<Buffer> {
  const { blockSize: r, logCost, parallelism: p, salt } = cost;
  const N = 2 ** logCost;
  // Equal texts may be typed in different Unicode forms.
  return derive(password.normalize("NFC"), salt, HASH_BYTES, { N, r, p, maxmem: 256 * N * r });
}
