import { setMaxListeners } from "node:events";
import { Stage } from "../../../../gen/websockets/v1/websockets_pb.js";
import type { BackendAction } from "../../../access/decide/actions.js";
import type { Backend } from "../../../access/keys/backend.js";
import type { Receipt, Stage as StageName } from "../../../core/message.js";
import { type Prepared, PUBLICATION_BYTES, type Publisher, type Source } from "../../../core/publisher.js";
import { CarillonError } from "../../../errors.js";
import type { RpcCall } from "../../service.js";
import type { PublishRequest, PublishResponse } from "./broadcast-codec.js";
import { pipelined } from "./pipelined.js";
import { toDrafts } from "./publish-drafts.js";
import { checkAhead, createSource } from "./publish-source.js";

/**
 * What of one stream may be unanswered (rule R4); beyond that it is not read. The bytes are few beside what may wait
 * for NATS in all (64 MiB), so that a fast sender of large payloads is slowed here and not refused there.
 */
const STREAM_WINDOW = { items: 256, weight: 8 * 1_024 * 1_024 } as const;

/** Told how long a publish took until it was answered, in seconds. */
export type OnPublished = (seconds: number) => void;

/** What each method needs. */
export const BROADCAST_ACTIONS: Readonly<Record<string, BackendAction>> = {
  publish: "publish",
  publishAsync: "publish",
  publishStream: "publish",
};

/**
 * websockets.v1.BroadcastService, as both mounts serve it. Methods throw CarillonError; each mount says it in its own
 * protocol's terms.
 */
export class BroadcastImplementation {
  readonly #publisher: Publisher;
  /** A backend is the same object from call to call: what is made for one is made once. */
  readonly #sources = new WeakMap<Backend, Source>();
  readonly #onPublished: OnPublished;
  readonly #stopping = new AbortController();

  constructor(publisher: Publisher, onPublished: OnPublished) {
    // One for each stream that is open.
    setMaxListeners(0, this.#stopping.signal);
    this.#publisher = publisher;
    this.#onPublished = onPublished;
  }

  async publish(request: PublishRequest, { backend }: Pick<RpcCall, "backend">): Promise<PublishResponse> {
    const ahead = checkAhead(request, backend);
    return this.#begin(request, ahead === undefined ? this.#sourceOf(backend) : await ahead);
  }

  async publishAsync(request: PublishRequest, { backend }: Pick<RpcCall, "backend">): Promise<PublishResponse> {
    const begin = performance.now();
    const ahead = checkAhead(request, backend);
    const source = ahead === undefined ? this.#sourceOf(backend) : await ahead;
    const receipts = this.#publisher.accept(source, toDrafts(request.messages));
    this.#onPublished((performance.now() - begin) / 1_000);
    return responseOf(receipts);
  }

  publishStream(
    requests: AsyncIterable<PublishRequest>,
    { backend, signal }: RpcCall,
  ): AsyncGenerator<PublishResponse> {
    return pipelined(this.#checked(requests, backend), {
      window: STREAM_WINDOW,
      weigh: ({ request }) => bytesOf(request),
      handle: ({ request, source }) => this.#begin(request, source),
      stops: [signal, this.#stopping.signal],
    });
  }

  /** In the order sent: a request that takes several turns to check holds back those after it (O1). */
  async *#checked(requests: AsyncIterable<PublishRequest>, backend: Backend) {
    for await (const request of requests) {
      const ahead = checkAhead(request, backend);
      yield { request, source: ahead === undefined ? this.#sourceOf(backend) : await ahead };
    }
  }

  /** Ends the streams that are open, after the answers that are due. */
  stop(): void {
    this.#stopping.abort(new CarillonError("unavailable", "this node is stopping"));
  }

  /** A refusal is thrown at once, so that a stream begins nothing that comes after it; the promise tells the rest. */
  #begin({ messages }: PublishRequest, source: Source): Promise<PublishResponse> {
    const begin = performance.now();
    return this.#finish(this.#publisher.prepare(source, toDrafts(messages)), begin);
  }

  #sourceOf(backend: Backend): Source {
    let source = this.#sources.get(backend);
    if (source === undefined) {
      source = createSource(backend);
      this.#sources.set(backend, source);
    }
    return source;
  }

  async #finish(prepared: Prepared, begin: number): Promise<PublishResponse> {
    const receipts = await this.#publisher.send(prepared);
    this.#onPublished((performance.now() - begin) / 1_000);
    return responseOf(receipts);
  }
}

/** Expanded size of a request: payloads, and a constant for each, times topics. Text counts one byte a UTF-16 unit. */
function bytesOf({ messages }: PublishRequest): number {
  let bytes = 0;
  for (const { payload, text, topics } of messages) {
    bytes += (payload.length + text.length + PUBLICATION_BYTES) * topics.length;
  }
  return bytes;
}

function responseOf(receipts: readonly Receipt[]): PublishResponse {
  return { ok: true, receipts: receipts.map(({ id, stage }) => ({ id, stage: toProtoStage(stage) })) };
}

function toProtoStage(stage: StageName | undefined): Stage {
  return stage === undefined ? Stage.UNSPECIFIED : STAGES[stage];
}

const STAGES: Readonly<Record<StageName, Stage>> = {
  accepted: Stage.ACCEPTED,
  flushed: Stage.FLUSHED,
  stored: Stage.STORED,
};
