/** Frame types. RFC 9113, section 6. */
export const FRAME_TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Flags. RFC 9113, section 6. */
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

/** Settings. RFC 9113, section 6.5.2. */
export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Names of the error codes, by code. RFC 9113, section 7. */
export const ERROR_NAMES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
] as const;

/** RFC 9113, section 3.4. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Largest payload that a peer accepts by default, in bytes. RFC 9113, section 4.2. */
export const DEFAULT_FRAME_SIZE = 16_384;

/** Largest window, in bytes. RFC 9113, section 6.9.1. */
export const MAX_WINDOW = 2 ** 31 - 1;

/** Setting of {@link SETTING} and its value. */
export type SettingEntry = readonly [id: number, value: number];

/**
 * Encodes a frame, valid or not.
 *
 * @param claims - length field; default: the payload's length
 */
export function http2Frame(
  type: number,
  flags: number,
  stream: number,
  payload: string | Uint8Array = "",
  claims?: number,
): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(9);
  header.writeUIntBE(claims ?? bytes.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, bytes]);
}

export function settingsFrame(...entries: readonly SettingEntry[]): Buffer {
  const payload = Buffer.alloc(6 * entries.length);
  for (const [index, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(id, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return http2Frame(FRAME_TYPE.settings, 0, 0, payload);
}

export const SETTINGS_ACK = http2Frame(FRAME_TYPE.settings, FLAG.ack, 0);

/** @param flags - default: END_HEADERS */
export function headersFrame(stream: number, block: Uint8Array, flags: number = FLAG.endHeaders): Buffer {
  return http2Frame(FRAME_TYPE.headers, flags, stream, block);
}

/** @param flags - default: END_HEADERS */
export function continuationFrame(stream: number, block: Uint8Array, flags: number = FLAG.endHeaders): Buffer {
  return http2Frame(FRAME_TYPE.continuation, flags, stream, block);
}

/** @param flags - default: none */
export function dataFrame(stream: number, bytes: string | Uint8Array, flags = 0): Buffer {
  return http2Frame(FRAME_TYPE.data, flags, stream, bytes);
}

/** @param code - default: CANCEL */
export function rstStreamFrame(stream: number, code = 8): Buffer {
  return http2Frame(FRAME_TYPE.rstStream, 0, stream, uint32(code));
}

/** @param payload - eight bytes in valid frames */
export function pingFrame(payload: string | Uint8Array = "12345678", flags = 0): Buffer {
  return http2Frame(FRAME_TYPE.ping, flags, 0, payload);
}

export function windowUpdateFrame(stream: number, increment: number): Buffer {
  return http2Frame(FRAME_TYPE.windowUpdate, 0, stream, uint32(increment));
}

/** @param parent - stream that the stream depends on */
export function priorityFrame(stream: number, parent: number, weight = 0): Buffer {
  return http2Frame(FRAME_TYPE.priority, 0, stream, priorityFields(parent, weight));
}

/** @param code - default: NO_ERROR */
export function goawayFrame(lastStream: number, code = 0): Buffer {
  return http2Frame(FRAME_TYPE.goaway, 0, 0, Buffer.concat([uint32(lastStream), uint32(code)]));
}

/** Encodes the deprecated priority of a HEADERS or PRIORITY frame. RFC 9113, section 6.3. */
export function priorityFields(parent: number, weight = 0): Buffer {
  return Buffer.concat([uint32(parent), Buffer.of(weight)]);
}

/** Adds the length of the padding and the padding to a payload. RFC 9113, section 6.1. */
export function padded(payload: Uint8Array, padding: number): Buffer {
  return Buffer.concat([Buffer.of(padding), payload, Buffer.alloc(padding)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Frame that was received. */
export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Splits received bytes into frames. */
export class FrameParser {
  #rest: Buffer = Buffer.alloc(0);

  /** Bytes of a frame that is not complete. */
  get rest(): number {
    return this.#rest.length;
  }

  /** Bytes that complete the frame, or, if its header is incomplete, a frame with a header whose other bytes are 0. */
  get missing(): number {
    const rest = this.#rest;
    if (rest.length === 0) return 0;
    const header = Buffer.concat([rest, Buffer.alloc(9)]);
    return 9 + header.readUIntBE(0, 3) - rest.length;
  }

  /** @returns the frames that the bytes complete */
  push(bytes: Buffer): ReceivedFrame[] {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: ReceivedFrame[] = [];
    let offset = 0;
    while (all.length - offset >= 9) {
      const length = all.readUIntBE(offset, 3);
      if (all.length - offset < 9 + length) break;
      frames.push({
        type: all.readUInt8(offset + 3),
        flags: all.readUInt8(offset + 4),
        stream: all.readUInt32BE(offset + 5) & MAX_WINDOW,
        payload: all.subarray(offset + 9, offset + 9 + length),
      });
      offset += 9 + length;
    }
    this.#rest = all.subarray(offset);
    return frames;
  }
}
