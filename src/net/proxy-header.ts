import type { Socket } from "node:net";
import { normalizeIpAddress } from "./ip-address.js";

/** First bytes of every header of version 2. Source: haproxy.org, The PROXY protocol, §2.2. */
const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** Number of bytes in the signature, version and command, family and protocol, and length of the rest. */
const PREFIX_BYTES = 16;
const VERSION_2 = 0x2;
const LOCAL = 0x0;
const PROXY = 0x1;
/** Number of bytes of addresses and ports by family. Other families close the connection. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 0x0: 0, 0x1: 12, 0x2: 36, 0x3: 216 };
const INET = 0x1;
const INET6 = 0x2;
/** Highest protocol number: 0 is unspecified, 1 is STREAM, 2 is DGRAM. */
const LAST_PROTOCOL = 0x2;
/**
 * Maximum number of bytes after the prefix. Addresses take up to 216 bytes; extensions about TLS certificates and cloud
 * endpoints take some hundred.
 */
const MAX_REST_BYTES = 4_096;

/** Header with which a proxy begins a connection of its own, such as a health check. */
export const LOCAL_PROXY_HEADER = Buffer.concat([SIGNATURE, Buffer.from([(VERSION_2 << 4) | LOCAL, 0, 0, 0])]);

/** Origin of a connection, as its proxy reported it. */
export interface ProxiedPeer {
  readonly address: string;
  readonly port: number;
}

/** A parsed header: the peer, or `local` (connection of the proxy itself, or no IP address); undefined when malformed. */
type ProxyHeader = ProxiedPeer | "local" | undefined;

/**
 * Reads a PROXY protocol header, version 2. Bytes after it stay in the socket.
 * @param timeout - maximum duration until the complete header has arrived, in milliseconds
 * @param done - called once: with the header, or with undefined when the connection must be closed
 * @returns a function that cancels the read; `done` is then not called
 */
export function readProxyHeader(socket: Socket, timeout: number, done: (header: ProxyHeader) => void): () => void {
  let prefix: Buffer | undefined;
  const onReadable = (): void => {
    prefix ??= readExactly(socket, PREFIX_BYTES);
    if (prefix === undefined) {
      if (socket.readableEnded) end(undefined);
      return;
    }
    const rest = readRestLength(prefix);
    if (rest === undefined) {
      end(undefined);
      return;
    }
    const body = rest === 0 ? EMPTY : readExactly(socket, rest);
    if (body !== undefined) end(parseHeader(prefix, body));
  };
  const fail = (): void => end(undefined);
  const stop = (): void => {
    clearTimeout(timer);
    socket.off("readable", onReadable).off("end", fail).off("error", fail).off("close", fail);
  };
  const end = (result: ProxyHeader): void => {
    stop();
    done(result);
  };
  const timer = setTimeout(fail, timeout).unref();
  socket.on("readable", onReadable).on("end", fail).on("error", fail).on("close", fail);
  return stop;
}

const EMPTY = Buffer.alloc(0);

/** Reads exactly this number of bytes when they are available. An ended stream returns fewer, which are discarded. */
function readExactly(socket: Socket, bytes: number): Buffer | undefined {
  const read = socket.read(bytes) as Buffer | null;
  return read?.length === bytes ? read : undefined;
}

/** Returns the number of bytes after the prefix; undefined when the prefix is not a supported header. */
function readRestLength(prefix: Buffer): number | undefined {
  const rest = prefix.readUInt16BE(14);
  return prefix.subarray(0, SIGNATURE.length).equals(SIGNATURE) && rest <= MAX_REST_BYTES ? rest : undefined;
}

function parseHeader(prefix: Buffer, body: Buffer): ProxyHeader {
  const version = prefix.readUInt8(12) >> 4;
  const command = prefix.readUInt8(12) & 0x0f;
  const family = prefix.readUInt8(13) >> 4;
  const protocol = prefix.readUInt8(13) & 0x0f;
  if (version !== VERSION_2 || (command !== LOCAL && command !== PROXY)) return undefined;
  // LOCAL is a health check by the proxy; its addresses must be ignored.
  if (command === LOCAL) return "local";
  const bytes = ADDRESS_BYTES[family];
  if (bytes === undefined || protocol > LAST_PROTOCOL || body.length < bytes) return undefined;
  // Extension fields (TLVs) after the addresses are ignored.
  if (family === INET) return { address: body.subarray(0, 4).join("."), port: body.readUInt16BE(8) };
  if (family === INET6) return { address: formatIpv6(body.subarray(0, 16)), port: body.readUInt16BE(32) };
  return "local";
}

/** Encodes a header for a connection that is passed on. An unknown address is omitted. */
export function encodeProxyHeader({ address, port }: ProxiedPeer): Buffer {
  const normal = normalizeIpAddress(address);
  const family = normal === undefined ? 0 : normal.includes(":") ? INET6 : INET;
  const body = Buffer.alloc(ADDRESS_BYTES[family] ?? 0);
  if (family === INET) {
    Buffer.from((normal ?? "").split(".").map(Number)).copy(body);
    body.writeUInt16BE(port, 8);
  } else if (family === INET6) {
    for (const [index, group] of expandIpv6(normal ?? "").entries()) {
      body.writeUInt16BE(Number.parseInt(group, 16), index * 2);
    }
    body.writeUInt16BE(port, 32);
  }
  const rest = Buffer.alloc(PREFIX_BYTES - SIGNATURE.length);
  rest.writeUInt8((VERSION_2 << 4) | (family === 0 ? LOCAL : PROXY), 0);
  rest.writeUInt8((family << 4) | (family === 0 ? 0 : 1), 1);
  rest.writeUInt16BE(body.length, 2);
  return Buffer.concat([SIGNATURE, rest, body]);
}

/** Returns the eight groups of a normalized address. */
function expandIpv6(address: string): readonly string[] {
  const [before = "", after] = address.split("::", 2);
  const first = before === "" ? [] : before.split(":");
  const last = after === undefined || after === "" ? [] : after.split(":");
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => "0"), ...last];
}

function formatIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(group * 2).toString(16)).join(":");
  return normalizeIpAddress(groups) ?? groups;
}
