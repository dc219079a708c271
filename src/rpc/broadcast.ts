import { create } from "@bufbuild/protobuf";
import { type Message, type Request, type Response, ResponseSchema, Stage } from "../../gen/websockets/v1/websockets_pb.js";
import type { Receipt, Stage as StageName } from "../core/message.js";
import type { Draft, Publisher, Source } from "../core/publisher.js";
import { CarillonError } from "../errors.js";
import { pipelined } from "./pipelined.js";

/** Requests of one stream whose answers are outstanding; the next is read when the oldest is answered. */
const STREAM_WINDOW = 256;

/** Told how long a publish took until it was answered, in seconds. */
export type OnPublished = (seconds: number) => void;

/**
 * websockets.v1.BroadcastService, as both mounts serve it. Methods throw CarillonError; each mount says it in its own
 * protocol's terms.
 */
export class BroadcastImplementation {
  readonly #publisher: Publisher;
  readonly #source: Source;
  readonly #onPublished: OnPublished;
  readonly #stopping = new AbortController();

  constructor(publisher: Publisher, vhost: string, onPublished: OnPublished) {
    this.#publisher = publisher;
    this.#source = { kind: "backend", vhost };
    this.#onPublished = onPublished;
  }

  async publish(request: Request): Promise<Response> {
    return this.#begin(request);
  }

  publishAsync(request: Request): Response {
    const begin = performance.now();
    const receipts = this.#publisher.accept(this.#source, request.messages.map(draftOf));
    this.#onPublished((performance.now() - begin) / 1_000);
    return responseOf(receipts);
  }

  publishStream(requests: AsyncIterable<Request>): AsyncGenerator<Response> {
    return pipelined(requests, STREAM_WINDOW, (request) => this.#begin(request), this.#stopping.signal);
  }

  /** Ends the streams that are open, after the answers that are due. */
  stop(): void {
    this.#stopping.abort(new CarillonError("unavailable", "this node is stopping"));
  }

  /** A refusal is thrown at once; the promise tells what the broker says. */
  #begin(request: Request): Promise<Response> {
    const begin = performance.now();
    const prepared = this.#publisher.prepare(this.#source, request.messages.map(draftOf));
    return this.#publisher.send(prepared).then((receipts) => {
      this.#onPublished((performance.now() - begin) / 1_000);
      return responseOf(receipts);
    });
  }
}

function draftOf({ broker, command, event, id, payload, topics }: Message, position: number): Draft {
  if (command !== "" && command !== "publish") {
    const text = `messages[${position}].command: ${JSON.stringify(command)} is not for backends; "publish" or "" is`;
    throw new CarillonError("invalid_argument", text);
  }
  return { broker, topics, payload, event, id };
}

function responseOf(receipts: readonly Receipt[]): Response {
  return create(ResponseSchema, {
    ok: true,
    receipts: receipts.map(({ id, stage }) => ({ id, stage: STAGES[stage] })),
  });
}

const STAGES: Readonly<Record<StageName, Stage>> = {
  accepted: Stage.ACCEPTED,
  flushed: Stage.FLUSHED,
  stored: Stage.STORED,
};
