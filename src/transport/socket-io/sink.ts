import type { Socket as EngineSocket } from "engine.io";
import type { Sink } from "../../core/ports.js";
import type { ChosenClose, CloseReason } from "../../errors.js";
import { pollingText } from "./frames.js";
import type { Polls } from "./polls.js";

/**
 * Where the frames of a Socket.IO session go: to its Engine.IO connection, in one packet a batch. On a WebSocket the library
 * writes the bytes as they are, by the option that its own adapter uses for broadcasts; to a client that polls it writes the
 * text. One that polls now may have a WebSocket when its turn comes, so it is given both.
 */
export class SocketIoSink implements Sink {
  readonly #connection: EngineSocket;
  readonly #polls: Polls;
  readonly #onEnd: (reason: CloseReason | ChosenClose) => void;
  #backlog = 0;
  #onDrained: (() => void) | undefined;

  /** @param onEnd - ends the connection */
  constructor(connection: EngineSocket, polls: Polls, onEnd: (reason: CloseReason | ChosenClose) => void) {
    this.#connection = connection;
    this.#polls = polls;
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
    const text = connection.transport.name === "websocket" ? "" : pollingText(frames);
    const options = { compress: false, wsPreEncodedFrame: [frames] };
    const onTaken = (): void => {
      this.#backlog -= length;
      this.#drained();
    };
    connection.write(text, options, ({ name }: { readonly name: string }) => {
      if (name === "websocket") onTaken();
      else this.#polls.whenTaken(onTaken);
    });
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
