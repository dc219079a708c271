import type { SubscribeService, SubscribeStreamRequest } from "../../../../gen/carillon/v1/subscribe_pb.js";
import type { BackendAction } from "../../../access/decide/actions.js";
import { type Backend, backendId } from "../../../access/keys/backend.js";
import { matchAhead } from "../../../access/patterns/match-ahead.js";
import type { MatcherList } from "../../../access/patterns/matcher-list.js";
import { KeyedCounts } from "../../../clients/limits/keyed-counts.js";
import { type SubscriptionContext, subscribe } from "../../../commands/subscribe.js";
import { MessageIds } from "../../../core/message.js";
import type { OutboxContext } from "../../../core/outbox.js";
import type { Clock } from "../../../core/ports.js";
import { Session } from "../../../core/session.js";
import { CarillonError } from "../../../errors.js";
import { nodeStopping } from "../../call-errors.js";
import type { RpcCall } from "../../service.js";
import { encodeSubscribed, streamEncoding } from "./stream-encoding.js";
import { StreamSink } from "./stream-sink.js";
import { readSubscribeRequest, type StreamRequest } from "./subscribe-request.js";

/** Action that each method needs. */
export const SUBSCRIBE_ACTIONS: Readonly<Record<keyof typeof SubscribeService.method, BackendAction>> = {
  subscribe: "subscribe",
};

/** Maximum number of open streams of one backend on this node. */
const MAX_STREAMS = 1_000;

/**
 * Milliseconds after which an idle stream sends an empty response. Proxies close connections that are silent for longer,
 * usually after a minute, and a failed peer is noticed only by writing to it.
 */
const HEARTBEAT = 25_000;

export interface SubscribeOptions {
  readonly context: SubscriptionContext;
  readonly outbox: OutboxContext;
  /** Returns the patterns of a vhost's topic rules. */
  readonly rulePatternsOf: (vhost: string) => MatcherList;
  readonly clock: Clock;
}

/**
 * Implements carillon.v1.SubscribeService. A stream is a session like that of a WebSocket client, with an encoding of its own: it
 * gets the same messages in the same order, and has the same bounds. It is no client: presence and lists of connections do not
 * show it.
 */
export class SubscribeImplementation {
  readonly #options: SubscribeOptions;
  readonly #ids = new MessageIds("stream");
  readonly #counts = new KeyedCounts();
  readonly #sinks = new Set<StreamSink>();
  #cancelBeat: (() => void) | undefined;
  #draining = false;
  #stopped = false;

  constructor(options: SubscribeOptions) {
    this.#options = options;
  }

  /** Yields encoded responses. */
  async *subscribe(request: SubscribeStreamRequest, call: RpcCall): AsyncGenerator<Buffer, void> {
    const { backend } = call;
    const wanted = await readSubscribeRequest(request, backend);
    await this.#prepareRules(backend, wanted);
    if (this.#draining) throw nodeStopping();
    const key = backendId(backend);
    if (!this.#counts.acquire(key, MAX_STREAMS)) {
      throw new CarillonError(
        "resource_exhausted",
        `this key has ${MAX_STREAMS} streams on this node, which is its limit`,
      );
    }
    try {
      yield* this.#stream(wanted, call);
    } finally {
      this.#counts.release(key);
    }
  }

  /** Refuses further streams. Those that are open end with their sessions. */
  drain(): void {
    this.#draining = true;
  }

  /** Refuses further streams, and sends no more heartbeats. */
  stop(): void {
    this.drain();
    this.#stopped = true;
    this.#cancelBeat?.();
    this.#cancelBeat = undefined;
  }

  async *#stream(wanted: StreamRequest, { backend, signal }: RpcCall): AsyncGenerator<Buffer, void> {
    const { context, outbox } = this.#options;
    const { fanOut, hub } = context;
    const sink = new StreamSink();
    const id = this.#ids.next();
    const session = new Session({ id, vhost: backend.vhost, encoding: streamEncoding, sink, outbox });
    hub.add(session);
    // A caller that has disconnected may never ask for the next response.
    const onAbort = (): void => {
      sink.fail(toRefusal(signal));
      hub.remove(session);
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      const onJoined = (replays: Parameters<typeof encodeSubscribed>[0]): void => {
        fanOut.send(session, encodeSubscribed(replays));
      };
      await subscribe(session, { ...wanted, onJoined }, context);
      this.#sinks.add(sink);
      this.#cancelBeat ??= this.#options.clock.after(HEARTBEAT, this.#beat);
      yield* sink.responses();
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#sinks.delete(sink);
      hub.remove(session);
    }
  }

  readonly #beat = (): void => {
    this.#cancelBeat = undefined;
    if (this.#sinks.size === 0 || this.#stopped) return;
    for (const sink of this.#sinks) sink.beat();
    this.#cancelBeat = this.#options.clock.after(HEARTBEAT, this.#beat);
  };

  /** Matches the topics against the rules of the vhost, in slices where that takes long. */
  async #prepareRules({ vhost }: Backend, { topics }: StreamRequest): Promise<void> {
    const { rulePatternsOf } = this.#options;
    await matchAhead(vhost, function* () {
      for (const name of topics) yield { list: rulePatternsOf(vhost), name };
    });
  }
}

/** Returns the reason for which the call was aborted: a lost permission or a disconnect. */
function toRefusal({ reason }: AbortSignal): CarillonError {
  return reason instanceof CarillonError ? reason : new CarillonError("cancelled", "the caller has disconnected");
}
