import { setMaxListeners } from "node:events";
import type { BackendAction } from "../../../access/decide/actions.js";
import type { Backend } from "../../../access/keys/backend.js";
import type { Receipt } from "../../../core/message.js";
import { PUBLICATION_BYTES, type Source } from "../../../core/publishing/publication-draft.js";
import type { Publisher } from "../../../core/publishing/publisher.js";
import type { TraceContext } from "../../../core/tracing/trace-context.js";
import { nodeStopping } from "../../call-errors.js";
import { PipelinedAnswers } from "../../pipelined.js";
import type { RpcCall } from "../../service.js";
import type { PublishResponse } from "./broadcast-codec.js";
import { toDrafts } from "./publish-drafts.js";
import { toResponse } from "./publish-receipts.js";
import type { PublishRequest } from "./publish-request.js";
import { checkAhead, createSource } from "./publish-source.js";

/**
 * Maximum number and total size of unanswered requests of one stream (rule R4). Beyond it the stream is not read. The size is
 * far below the total limit for NATS (64 MiB), so that a fast publisher of large payloads is slowed down here instead of
 * being refused there.
 */
const STREAM_WINDOW = { items: 256, weight: 8 * 1_024 * 1_024 } as const;

/** Receives the time from a publish to its answer, in seconds, and its trace if it is sampled. */
export type OnPublished = (seconds: number, trace?: TraceContext) => void;

/** Action that each method needs. */
export const BROADCAST_ACTIONS: Readonly<Record<string, BackendAction>> = {
  publish: "publish",
  publishAsync: "publish",
  publishStream: "publish",
};

/**
 * Implements websockets.v1.BroadcastService for both mounts. Methods throw CarillonErrors, which each mount converts to its
 * own protocol.
 */
export class BroadcastImplementation {
  readonly #publisher: Publisher;
  /** Source of each backend. A backend is the same object from call to call. */
  readonly #sources = new WeakMap<Backend, Source>();
  readonly #onPublished: OnPublished;
  readonly #stopping = new AbortController();

  constructor(publisher: Publisher, onPublished: OnPublished) {
    // Each open stream adds a listener.
    setMaxListeners(0, this.#stopping.signal);
    this.#publisher = publisher;
    this.#onPublished = onPublished;
  }

  /** Answers without a promise where the brokers confirm at once. */
  publish(request: PublishRequest, { backend }: Pick<RpcCall, "backend">): PublishResponse | Promise<PublishResponse> {
    const ahead = this.#checkAhead(request, backend);
    if (ahead === undefined) return this.#begin(request, this.#findSource(backend));
    return ahead.then((source) => this.#begin(request, source));
  }

  async publishAsync(request: PublishRequest, { backend }: Pick<RpcCall, "backend">): Promise<PublishResponse> {
    const begin = performance.now();
    const ahead = this.#checkAhead(request, backend);
    const source = ahead === undefined ? this.#findSource(backend) : await ahead;
    const receipts = this.#publisher.accept(source, toDrafts(request.messages));
    this.#onPublished((performance.now() - begin) / 1_000);
    return toResponse(receipts);
  }

  publishStream(
    requests: AsyncIterable<PublishRequest>,
    { backend, signal }: RpcCall,
  ): PipelinedAnswers<PublishRequest, PublishResponse, Source> {
    const source = this.#findSource(backend);
    return new PipelinedAnswers(requests, {
      window: STREAM_WINDOW,
      stops: [signal, this.#stopping.signal],
      weigh: sizeOf,
      prepare: (request) => this.#checkAhead(request, backend),
      handle: (request, checked = source) => this.#begin(request, checked),
    });
  }

  #checkAhead(request: PublishRequest, backend: Backend): Promise<Source> | undefined {
    return checkAhead(request, backend, this.#publisher.historyOf(backend.vhost));
  }

  /** Ends the open streams, after the pending answers. */
  stop(): void {
    this.#stopping.abort(nodeStopping());
  }

  /** Throws a refusal synchronously, so that a stream begins nothing after it; later failures reject the promise. */
  #begin({ messages }: PublishRequest, source: Source): PublishResponse | Promise<PublishResponse> {
    const begin = performance.now();
    const prepared = this.#publisher.prepare(source, toDrafts(messages));
    const finish = (receipts: readonly Receipt[]): PublishResponse => {
      this.#onPublished((performance.now() - begin) / 1_000, prepared.span?.trace);
      return toResponse(receipts);
    };
    const receipts = this.#publisher.send(prepared);
    return receipts instanceof Promise ? receipts.then(finish) : finish(receipts);
  }

  #findSource(backend: Backend): Source {
    let source = this.#sources.get(backend);
    if (source === undefined) {
      source = createSource(backend);
      this.#sources.set(backend, source);
    }
    return source;
  }
}

/** Expanded size of a request: its payloads, plus a constant for each, times topics. Text counts one byte per UTF-16 unit. */
function sizeOf({ messages }: PublishRequest): number {
  let bytes = 0;
  for (const { payload, text, topics } of messages) {
    bytes += (payload.length + text.length + PUBLICATION_BYTES) * topics.length;
  }
  return bytes;
}
