import { Http2Code } from "../http2-codes.js";
import { Http2ConnectionError } from "../http2-errors.js";
import { DEFAULT_WINDOW, MAX_FRAME_BYTES, MAX_UINT31 } from "./frame-types.js";

/** Identifiers of settings. Source: RFC 9113, section 6.5.2. */
export const SettingId = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;

const SETTING_BYTES = 6;
const LARGEST_FRAME = 2 ** 24 - 1;

/** Settings of the peer that a server heeds. The others concern pushes and the dynamic table, which it does not use. */
export class PeerSettings {
  /** Initial window of the peer's streams, in bytes. */
  initialWindow = DEFAULT_WINDOW;

  /**
   * Reads a SETTINGS frame that is not an acknowledgment.
   * @throws Http2ConnectionError: invalid (RFC 9113, sections 6.5 and 6.5.2)
   */
  read(bytes: Buffer, start: number, end: number): void {
    if ((end - start) % SETTING_BYTES !== 0)
      throw new Http2ConnectionError(Http2Code.FRAME_SIZE_ERROR, "SETTINGS size");
    for (let at = start; at < end; at += SETTING_BYTES) this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
  }

  #set(identifier: number, value: number): void {
    if (identifier === SettingId.INITIAL_WINDOW_SIZE) {
      if (value > MAX_UINT31) throw new Http2ConnectionError(Http2Code.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE");
      this.initialWindow = value;
    } else if (identifier === SettingId.MAX_FRAME_SIZE) {
      // Larger frames are allowed to this server, which never sends any.
      if (value >= MAX_FRAME_BYTES && value <= LARGEST_FRAME) return;
      throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "MAX_FRAME_SIZE");
    } else if (identifier === SettingId.ENABLE_PUSH && value > 1) {
      throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "ENABLE_PUSH");
    }
  }
}
