import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { hashPassword } from "../access/keys/password-hash.js";
import { CarillonError } from "../errors.js";
import { EXIT, fail } from "./exit-code.js";

/** Shortest password, in UTF-16 code units. Source: NIST SP 800-63B §5.1.1. */
const MIN_LENGTH = 8;
/** Longest password, in bytes. */
const MAX_BYTES = 1_024;

/** Reads a password from the terminal or from stdin, and prints its hash for the configuration. */
export async function hashPasswordCommand(): Promise<void> {
  const password = process.stdin.isTTY ? await askPassword() : (await text(process.stdin)).replace(/\r?\n$/, "");
  if (password.length < MIN_LENGTH) refuse(`expected at least ${MIN_LENGTH} characters on stdin`);
  else if (Buffer.byteLength(password) > MAX_BYTES) refuse(`expected at most ${MAX_BYTES} bytes on stdin`);
  else process.stdout.write(`${await hashPassword(password)}\n`);
}

/** Asks on the terminal, which shows nothing of the answer. The prompt is on stderr, so that stdout has only the hash. */
async function askPassword(): Promise<string> {
  process.stderr.write("Password: ");
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await terminal.question("");
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}

function refuse(message: string): void {
  fail(new CarillonError("invalid_argument", message), EXIT.usage);
}
