import { isUtf8 } from "node:buffer";

/**
 * Codec for the payloads of Engine.IO 3's polling. It replaces the library's codec, which does not limit the number of
 * packets and reads them character by character. A packet in a text payload is `LENGTH:PACKET`, with the length in UTF-16
 * units. If a payload contains bytes and the client accepts them, each packet is 0 (text) or 1 (bytes), the length with one
 * byte for each decimal digit, 255, and the packet.
 */

/** Types of packets, in the order of their numbers. */
const TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"] as const;

/** Maximum number of digits of a length. A longer length exceeds any request. */
const MAX_DIGITS = 8;
const LENGTH_END = 255;

const LENGTH = /^\d{1,8}$/;
/** Character outside the Basic Multilingual Plane. JavaScript counts it as two units, Python as one. */
const ASTRAL = /[\u{10000}-\u{10FFFF}]/gu;

/** Packet in the library's format. */
export interface EnginePacket {
  readonly type: string;
  readonly data?: string | Buffer;
}

/** Packet that makes the library end the connection. */
const ERROR: EnginePacket = { type: "error", data: "parser error" };

/** Called for each packet. Returns false to stop reading. */
type OnPacket = (packet: EnginePacket) => unknown;

export interface Engine3Payload {
  encodePayload(
    packets: readonly EnginePacket[],
    supportsBinary: boolean,
    write: (payload: string | Buffer) => void,
  ): void;
  decodePayload(payload: string | Buffer, onPacket: OnPacket): void;
}

/**
 * @param maxPackets - maximum number of packets in one request
 * @param onTooMany - called for a request with more packets, none of which is used
 */
export function engine3Payload(maxPackets: number, onTooMany: () => void): Engine3Payload {
  return {
    encodePayload(packets, supportsBinary, write) {
      const hasBytes = packets.some(({ data }) => data !== undefined && typeof data !== "string");
      if (supportsBinary && hasBytes) write(Buffer.concat(packets.flatMap(toBinaryParts)));
      else write(packets.map(toText).join(""));
    },
    decodePayload(payload, onPacket) {
      const packets = typeof payload === "string" ? readTexts(payload, maxPackets) : readBinary(payload, maxPackets);
      if (packets === "too many") {
        onTooMany();
        return;
      }
      for (const packet of packets ?? [ERROR]) if (onPacket(packet) === false) return;
    },
  };
}

function toText(packet: EnginePacket): string {
  const { data, type } = packet;
  const digit = toDigit(type);
  const text = typeof data === "object" ? `b${digit}${data.toString("base64")}` : `${digit}${escaped(data ?? "")}`;
  return `${text.length}:${text}`;
}

/** Escapes characters that clients count differently. They occur only within JSON strings, where an escape is equivalent. */
function escaped(text: string): string {
  return text.replace(ASTRAL, (pair) => `\\u${formatUnit(pair, 0)}\\u${formatUnit(pair, 1)}`);
}

function formatUnit(text: string, at: number): string {
  return text.charCodeAt(at).toString(16);
}

function toBinaryParts({ data, type }: EnginePacket): readonly Buffer[] {
  const isBytes = typeof data === "object";
  const body = isBytes ? Buffer.concat([Buffer.of(toDigit(type)), data]) : Buffer.from(`${toDigit(type)}${data ?? ""}`);
  const digits = Array.from(String(body.length), Number);
  return [Buffer.of(isBytes ? 1 : 0, ...digits, LENGTH_END), body];
}

/** @returns undefined for a malformed payload */
function readTexts(payload: string, maxPackets: number): readonly EnginePacket[] | "too many" | undefined {
  const packets: EnginePacket[] = [];
  for (let at = 0; at < payload.length; ) {
    if (packets.length === maxPackets) return "too many";
    const digits = payload.slice(at, at + MAX_DIGITS + 1).split(":", 1)[0] ?? "";
    const begin = at + digits.length + 1;
    const end = begin + Number(digits);
    if (!LENGTH.test(digits) || end > payload.length || end === begin) return undefined;
    const packet = readText(payload.slice(begin, end));
    if (packet === undefined) return undefined;
    packets.push(packet);
    at = end;
  }
  return packets.length === 0 ? undefined : packets;
}

/** @returns undefined for a malformed payload */
function readBinary(payload: Buffer, maxPackets: number): readonly EnginePacket[] | "too many" | undefined {
  const packets: EnginePacket[] = [];
  for (let at = 0; at < payload.length; ) {
    if (packets.length === maxPackets) return "too many";
    const kind = payload[at];
    const lengthEnd = payload.subarray(at + 1, at + MAX_DIGITS + 2).indexOf(LENGTH_END) + at + 1;
    const digits = payload.subarray(at + 1, lengthEnd);
    const end = lengthEnd + 1 + digits.reduce((length, digit) => length * 10 + digit, 0);
    if (digits.length === 0 || digits.some((digit) => digit > 9) || end > payload.length) return undefined;
    const body = payload.subarray(lengthEnd + 1, end);
    const packet = kind === 0 ? readUtf8(body) : kind === 1 ? readBytes(body) : undefined;
    if (packet === undefined) return undefined;
    packets.push(packet);
    at = end;
  }
  return packets.length === 0 ? undefined : packets;
}

function readText(text: string): EnginePacket | undefined {
  if (text.startsWith("b")) return typed(text.charAt(1), Buffer.from(text.slice(2), "base64"));
  return typed(text.charAt(0), text.slice(1));
}

function readUtf8(body: Buffer): EnginePacket | undefined {
  return isUtf8(body) ? typed(body.toString("utf8", 0, 1), body.toString("utf8", 1)) : undefined;
}

function readBytes(body: Buffer): EnginePacket | undefined {
  return typed(String(body[0]), body.subarray(1));
}

function typed(digit: string, data: string | Buffer): EnginePacket | undefined {
  const type = /^\d$/.test(digit) ? TYPES[Number(digit)] : undefined;
  if (type === undefined) return undefined;
  return data.length === 0 ? { type } : { type, data };
}

function toDigit(type: string): number {
  return (TYPES as readonly string[]).indexOf(type);
}
