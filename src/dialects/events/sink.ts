import type { Encoding, Sink } from "../../core/ports.js";
import type { ChosenClose, CloseReason } from "../../errors.js";
import type { HttpStream } from "../../transport/http/http-stream.js";
import type { MessageEncoding } from "../dialect.js";
import type { StreamPositions } from "./positions.js";

/** Sink of a session whose frames go to a stream. Nothing is written before the stream is open: frames wait in the outbox. */
export class EventStreamSink implements Sink {
  readonly #stream: HttpStream;
  readonly #positions: StreamPositions;
  readonly #onEnd: (reason: CloseReason | ChosenClose) => void;

  /** @param onEnd - ends the stream */
  constructor(stream: HttpStream, positions: StreamPositions, onEnd: (reason: CloseReason | ChosenClose) => void) {
    this.#stream = stream;
    this.#positions = positions;
    this.#onEnd = onEnd;
  }

  get backlog(): number {
    return this.#stream.backlog;
  }

  write(frames: Uint8Array): void {
    // Positions advance with what is written, and with nothing else.
    if (!this.#stream.isOpen) return;
    const pieces = this.#positions.complete(frames);
    const [only] = pieces;
    if (pieces.length === 1 && only !== undefined) this.#stream.write(only);
    else this.#stream.writeAll(pieces);
  }

  writeAll(frames: readonly Uint8Array[]): void {
    if (this.#stream.isOpen) this.#stream.writeAll(frames.flatMap((each) => this.#positions.complete(each)));
  }

  onceDrained(run: () => void): void {
    this.#stream.onceDrained(run);
  }

  end(reason: CloseReason | ChosenClose): void {
    this.#onEnd(reason);
  }
}

/** Returns the encoding of messages as bytes: the same object for the same dialect encoding, so that sessions share bytes. */
export function getEventStreamEncoding(encoding: MessageEncoding): Encoding {
  let result = known.get(encoding);
  if (result === undefined) {
    result = {
      topicText: (topic) => encoding.topicText(topic),
      frame: (message, topicText) => Buffer.from(encoding.text(message, topicText)),
      laggedFrame(topic, missed) {
        const text = encoding.laggedText(topic, missed);
        return text === undefined ? undefined : Buffer.from(text);
      },
      presenceFrame: () => undefined,
    };
    known.set(encoding, result);
  }
  return result;
}

const known = new WeakMap<MessageEncoding, Encoding>();
