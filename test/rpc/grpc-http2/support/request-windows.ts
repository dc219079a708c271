import { FRAME_TYPE, SETTING } from "../../../../bench/fuzz/http2-frames.js";
import type { Http2Peer } from "../../../support/raw/http2-peer.js";

/** Window of a connection, and of a stream without a setting. RFC 9113, section 6.9.2. */
const DEFAULT_WINDOW = 65_535;

/** Sends requests' bodies within the server's windows, as a valid client does. */
export class RequestWindows {
  readonly #peer: Http2Peer;
  readonly #streamWindow: number;
  /** Bytes that were sent, by stream; 0: the connection. */
  readonly #sent = new Map<number, number>();

  private constructor(peer: Http2Peer, streamWindow: number) {
    this.#peer = peer;
    this.#streamWindow = streamWindow;
  }

  static async open(peer: Http2Peer): Promise<RequestWindows> {
    const settings = await peer.serverSettings();
    return new RequestWindows(peer, settings.get(SETTING.initialWindowSize) ?? DEFAULT_WINDOW);
  }

  /** Waits until a DATA frame fits into the windows, then sends it. Rejects when the connection ends first. */
  async send(stream: number, frame: Uint8Array): Promise<void> {
    const bytes = frame.length - 9;
    while (this.#left(0, DEFAULT_WINDOW) < bytes || this.#left(stream, this.#streamWindow) < bytes) {
      await this.#peer.next(({ type }) => type === FRAME_TYPE.windowUpdate);
    }
    for (const id of [0, stream]) this.#sent.set(id, (this.#sent.get(id) ?? 0) + bytes);
    this.#peer.send(frame);
  }

  #left(stream: number, initial: number): number {
    const updates = this.#peer.received.filter(
      (frame) => frame.type === FRAME_TYPE.windowUpdate && frame.stream === stream,
    );
    const added = updates.reduce((sum, { payload }) => sum + payload.readUInt32BE(), 0);
    return initial + added - (this.#sent.get(stream) ?? 0);
  }
}
