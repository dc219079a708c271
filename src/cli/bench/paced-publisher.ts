import { createHistogram } from "node:perf_hooks";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { CarillonError, type ErrorCode } from "../../errors.js";
import type { BackendClient } from "../../outbound/backend/backend-client.js";
import { sleep } from "../sleep.js";
import { now, writeStamp } from "./stamp.js";

/** Maximum number of messages of a request, and of bytes of its payloads. */
const MAX_BATCH = 500;
const MAX_BATCH_BYTES = 1 << 20;

/** Milliseconds before the next request after a failed one. */
const FAILURE_DELAY = 100;

/** Codes of failures after which the next messages may succeed. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set([
  "unavailable",
  "deadline_exceeded",
  "cancelled",
  "internal",
  "resource_exhausted",
]);

export interface PacedPublisherOptions {
  readonly client: BackendClient;
  /** Number of the publisher, from 0. */
  readonly publisher: number;
  readonly topics: readonly string[];
  readonly broker: string | undefined;
  /** Messages per second. */
  readonly rate: number;
  /** Number of messages. */
  readonly total: number;
  /** Payload of each message, in bytes. */
  readonly bytes: number;
}

/**
 * Publishes at a steady rate. A slow answer does not make later messages due later, and they are timed from when they were due.
 * Requests follow each other, so that the messages of a topic keep their order; what becomes due meanwhile shares the next request.
 */
export class PacedPublisher {
  /** Microseconds from a request to its answer. */
  readonly confirmation = createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 });
  /** Number of messages in requests so far. Message n goes to topic n modulo the number of topics. */
  sent = 0;
  /** Number of messages that were not confirmed. */
  failed = 0;
  /** The last failure. */
  failure: CarillonError | undefined;
  readonly #options: PacedPublisherOptions;

  constructor(options: PacedPublisherOptions) {
    this.#options = options;
  }

  /** Publishes all messages, or those before the signal. @throws CarillonError a refusal that any message would get */
  async run(signal: AbortSignal): Promise<void> {
    const { bytes, rate, total } = this.#options;
    const atMost = Math.max(1, Math.min(MAX_BATCH, Math.floor(MAX_BATCH_BYTES / bytes)));
    const begin = now();
    const interval = 1_000_000 / rate;
    while (this.sent < total && !signal.aborted) {
      const due = Math.min(total, Math.floor((now() - begin) / interval) + 1);
      if (due > this.sent) await this.#publish(begin, interval, Math.min(atMost, due - this.sent));
      else await sleep((begin + this.sent * interval - now()) / 1_000, signal);
    }
  }

  async #publish(begin: number, interval: number, count: number): Promise<void> {
    const { broker = "", bytes, client, publisher, topics } = this.#options;
    const messages = Array.from({ length: count }, (_, position) => {
      const index = this.sent + position;
      const sequence = Math.floor(index / topics.length) + 1;
      const text = writeStamp({ publisher, sequence, due: begin + index * interval }, bytes);
      return { topics: [topics[index % topics.length] ?? ""], payload: Buffer.from(text), broker };
    });
    this.sent += count;
    const sentAt = now();
    try {
      await client.call(BroadcastService.method.publish, { messages });
      this.confirmation.record(Math.max(1, now() - sentAt));
    } catch (error) {
      const failure = CarillonError.from(error);
      if (!TRANSIENT.has(failure.code)) throw failure;
      this.failed += count;
      this.failure = failure;
      await sleep(failure.retryDelay ?? FAILURE_DELAY);
    }
  }
}
