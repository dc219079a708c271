import type { Socket as EngineSocket } from "engine.io";
import type { Sink } from "../../../core/ports.js";
import type { ChosenClose, CloseReason } from "../../../errors.js";
import { engine3Frames, pollParts } from "./frames.js";
import { createWriteOptions, type PollQueue } from "./poll-queue.js";

/**
 * Sink of a session on its Engine.IO connection. A batch of frames is one write to a WebSocket; for a polling client it is
 * queued.
 */
export class SocketIoSink implements Sink {
  readonly #connection: EngineSocket;
  readonly #queue: PollQueue;
  readonly #onEnd: (reason: CloseReason | ChosenClose) => void;
  #backlog = 0;
  #onDrained: (() => void) | undefined;

  /** @param onEnd - ends the connection */
  constructor(connection: EngineSocket, queue: PollQueue, onEnd: (reason: CloseReason | ChosenClose) => void) {
    this.#connection = connection;
    this.#queue = queue;
    this.#onEnd = onEnd;
  }

  get backlog(): number {
    return this.#backlog;
  }

  write(frames: Uint8Array): void {
    const connection = this.#connection;
    if (connection.readyState !== "open") return;
    const { length } = frames;
    this.#backlog += length;
    const onTaken = (): void => {
      this.#backlog -= length;
      this.#drained();
    };
    const own = webSocketFrames(connection, frames);
    if (own === undefined) this.#queue.write(pollParts(frames), onTaken);
    else connection.write("", createWriteOptions(own), onTaken);
  }

  writeAll(frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.write(frame);
  }

  onceDrained(run: () => void): void {
    this.#onDrained = run;
    if (this.#backlog === 0) setImmediate(() => this.#drained());
  }

  end(reason: CloseReason | ChosenClose): void {
    this.#onEnd(reason);
  }

  #drained(): void {
    if (this.#backlog > 0) return;
    const run = this.#onDrained;
    this.#onDrained = undefined;
    run?.();
  }
}

/** Converts a batch to bytes for a WebSocket; undefined when the library must write it. */
function webSocketFrames({ protocol, transport }: EngineSocket, frames: Uint8Array): Uint8Array | undefined {
  if (transport.name !== "websocket") return undefined;
  if (protocol !== 3) return frames;
  // A client may request base64 on WebSockets, too.
  const { supportsBinary } = transport as unknown as { readonly supportsBinary: boolean };
  return supportsBinary ? engine3Frames(frames) : undefined;
}
