import type { Socket } from "node:net";
import { ipAddress } from "./ip-address.js";

/** Begins every header of version 2. Source: haproxy.org, The PROXY protocol, §2.2. */
const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** The signature, the version and command, the family and protocol, and the length of the rest. */
const PREFIX_BYTES = 16;
const VERSION_2 = 0x2;
const LOCAL = 0x0;
const PROXY = 0x1;
/** Bytes of addresses and ports by family; one that is not here ends the connection. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 0x0: 0, 0x1: 12, 0x2: 36, 0x3: 216 };
const INET = 0x1;
const INET6 = 0x2;
/** Unspecified, STREAM, DGRAM. */
const LAST_PROTOCOL = 0x2;
/**
 * Longest rest of a header. Addresses take 216 bytes; what proxies add about TLS certificates and cloud endpoints some
 * hundred.
 */
const MAX_REST_BYTES = 4_096;

/** Where a connection comes from, as its proxy tells it. */
export interface ProxiedPeer {
  readonly address: string;
  readonly port: number;
}

/** What the header says: `local` (the proxy itself asks, or tells no IP address), or the peer; else it is malformed. */
type Parsed = ProxiedPeer | "local" | undefined;

/**
 * Reads a PROXY protocol header, version 2, and no byte more: what follows stays in the socket.
 * @param timeout - milliseconds that the whole header may take
 * @param done - called once: with what it says, or undefined when the connection is to be closed
 * @returns gives up; `done` is then not called
 */
export function readProxyHeader(socket: Socket, timeout: number, done: (parsed: Parsed) => void): () => void {
  let prefix: Buffer | undefined;
  const look = (): void => {
    prefix ??= take(socket, PREFIX_BYTES);
    if (prefix === undefined) {
      if (socket.readableEnded) end(undefined);
      return;
    }
    const rest = restBytes(prefix);
    if (rest === undefined) {
      end(undefined);
      return;
    }
    const body = rest === 0 ? EMPTY : take(socket, rest);
    if (body !== undefined) end(parsed(prefix, body));
  };
  const fail = (): void => end(undefined);
  const stop = (): void => {
    clearTimeout(timer);
    socket.off("readable", look).off("end", fail).off("error", fail).off("close", fail);
  };
  const end = (result: Parsed): void => {
    stop();
    done(result);
  };
  const timer = setTimeout(fail, timeout).unref();
  socket.on("readable", look).on("end", fail).on("error", fail).on("close", fail);
  return stop;
}

const EMPTY = Buffer.alloc(0);

/** So many bytes, once they are there; at its end, a stream gives what is left. */
function take(socket: Socket, bytes: number): Buffer | undefined {
  const read = socket.read(bytes) as Buffer | null;
  return read?.length === bytes ? read : undefined;
}

/** Bytes after the prefix; undefined for what is no header that is understood here. */
function restBytes(prefix: Buffer): number | undefined {
  const rest = prefix.readUInt16BE(14);
  return prefix.subarray(0, SIGNATURE.length).equals(SIGNATURE) && rest <= MAX_REST_BYTES ? rest : undefined;
}

function parsed(prefix: Buffer, body: Buffer): Parsed {
  const version = prefix.readUInt8(12) >> 4;
  const command = prefix.readUInt8(12) & 0x0f;
  const family = prefix.readUInt8(13) >> 4;
  const protocol = prefix.readUInt8(13) & 0x0f;
  if (version !== VERSION_2 || (command !== LOCAL && command !== PROXY)) return undefined;
  // A health check of the proxy: whatever addresses it tells are to be ignored.
  if (command === LOCAL) return "local";
  const bytes = ADDRESS_BYTES[family];
  if (bytes === undefined || protocol > LAST_PROTOCOL || body.length < bytes) return undefined;
  // After the addresses come fields (TLVs) that nobody here needs.
  if (family === INET) return { address: body.subarray(0, 4).join("."), port: body.readUInt16BE(8) };
  if (family === INET6) return { address: ipv6(body.subarray(0, 16)), port: body.readUInt16BE(32) };
  return "local";
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(group * 2).toString(16)).join(":");
  return ipAddress(groups) ?? groups;
}
