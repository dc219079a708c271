import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Sink } from "../../../core/ports.js";
import { CarillonError, type ChosenClose, type CloseReason, chooseDelay } from "../../../errors.js";
import { FIELD } from "./stream-encoding.js";

/** Size up to which small frames are joined to one response, in bytes. */
const JOINED_BYTES = 65_536;

/** Size above which a response is split, in bytes. gRPC clients accept 4 MiB by default. */
const MAX_RESPONSE = 1_048_576;

/** Wire type of all fields of a response. */
const DELIMITED = 2;
const FIRST_BYTE_OF_SUBSCRIBED = (FIELD.subscribed << 3) | DELIMITED;
const FIRST_BYTE_OF_MESSAGES = (FIELD.messages << 3) | DELIMITED;

const HEARTBEAT = Buffer.alloc(0);

/**
 * Sink of a backend's stream. Frames wait here until the mount takes them as responses, which it does when the peer has accepted
 * the previous one. The outbox bounds what waits by the sink's backlog.
 */
export class StreamSink implements Sink {
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** Bytes of the response that the mount is sending. */
  #sendingBytes = 0;
  #onDrained: (() => void) | undefined;
  #end: CarillonError | undefined;
  #wake: (() => void) | undefined;
  /** Whether a response was taken since the last heartbeat. */
  #isActive = false;

  get backlog(): number {
    return this.#queuedBytes + this.#sendingBytes;
  }

  write(frames: Uint8Array): void {
    this.#push(frames);
    this.#wake?.();
  }

  writeAll(frames: readonly Uint8Array[]): void {
    for (const each of frames) this.#push(each);
    this.#wake?.();
  }

  onceDrained(run: () => void): void {
    this.#onDrained = run;
    if (this.backlog === 0) this.#wake?.();
  }

  end(reason: CloseReason | ChosenClose): void {
    this.fail(toStatus(reason));
  }

  /** Ends the stream with a status, after the responses that wait. The first call counts. */
  fail(error: CarillonError): void {
    this.#end ??= error;
    this.#wake?.();
  }

  /** Sends an empty response, unless there was another since the last call, or one waits. */
  beat(): void {
    const isIdle = !this.#isActive && this.backlog === 0;
    this.#isActive = false;
    if (!isIdle) return;
    this.#queue.push(HEARTBEAT);
    this.#wake?.();
  }

  /**
   * Yields responses. The caller asks for the next one when the peer has accepted the previous one.
   * @throws CarillonError the status with which the stream ends
   */
  async *responses(): AsyncGenerator<Buffer, void> {
    for (;;) {
      const response = this.#take();
      if (response !== undefined) {
        this.#sendingBytes = response.length;
        yield response;
        this.#sendingBytes = 0;
        this.#isActive = true;
      } else if (this.#end !== undefined) {
        throw this.#end;
      } else if (this.#onDrained === undefined) {
        await this.#changed();
      } else {
        const run = this.#onDrained;
        this.#onDrained = undefined;
        run();
      }
    }
  }

  #push(bytes: Uint8Array): void {
    // The same object for all streams: mounts may cache what they derive from it.
    const frames = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#queuedBytes += frames.length;
    if (frames.length <= MAX_RESPONSE) this.#queue.push(frames);
    else this.#queue.push(...split(frames));
  }

  /** Takes the next response: one element of the queue, or several small ones that hold messages. */
  #take(): Buffer | undefined {
    const [first] = this.#queue;
    if (first === undefined) return undefined;
    let count = 1;
    let bytes = first.length;
    // The answer to the request stays alone.
    while (first[0] !== FIRST_BYTE_OF_SUBSCRIBED) {
      const next = this.#queue[count];
      if (next === undefined || next[0] !== FIRST_BYTE_OF_MESSAGES || bytes + next.length > JOINED_BYTES) break;
      count += 1;
      bytes += next.length;
    }
    const taken = this.#queue.splice(0, count);
    this.#queuedBytes -= bytes;
    return count === 1 ? first : Buffer.concat(taken);
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/** Splits a sequence of frames into responses of bounded size, each with at least one frame. */
function split(frames: Buffer): Buffer[] {
  const reader = new BinaryReader(frames);
  const responses: Buffer[] = [];
  let begin = 0;
  while (reader.pos < reader.len) {
    const frameBegin = reader.pos;
    const [field, wireType] = reader.tag();
    reader.skip(wireType, field);
    if (reader.pos - begin <= MAX_RESPONSE || frameBegin === begin) continue;
    responses.push(frames.subarray(begin, frameBegin));
    begin = frameBegin;
  }
  responses.push(frames.subarray(begin));
  return responses;
}

function toStatus(reason: CloseReason | ChosenClose): CarillonError {
  if (reason === "slow_consumer") {
    return new CarillonError(
      "resource_exhausted",
      "the caller reads too slowly: subscribe again from the last position",
    );
  }
  const retryDelay = typeof reason === "string" || reason.retry === undefined ? undefined : chooseDelay(reason.retry);
  return new CarillonError("unavailable", "this node is stopping", { retryDelay });
}
