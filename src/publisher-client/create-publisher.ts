import { randomBytes } from "node:crypto";
import { CarillonError, type ErrorCode } from "../errors.js";
import { Backoff } from "../outbound/backoff.js";
import {
  type ConfirmedMessage,
  createPublishStreamClient,
  type PublishStreamCall,
  type PublishStreamClient,
} from "../outbound/publish-stream.js";
import { withResolvers } from "../util/with-resolvers.js";
import {
  estimateBytes,
  type PublisherMessage,
  type PublisherReceipt,
  toPublishedMessage,
  toReceipt,
} from "./message.js";
import { type PublisherClientOptions, readPublisherLimits } from "./options.js";
import { SendQueue } from "./send-queue.js";

/** Upper bounds of the first wait before reconnecting, and of later ones, in milliseconds. */
const FIRST_WAIT = 100;
const MAX_WAIT = 5_000;

/** Codes of failures that say nothing about the messages, which are sent again. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set(["unavailable", "cancelled", "deadline_exceeded", "internal"]);
/** Codes of refusals that every message would get. */
const FINAL: ReadonlySet<ErrorCode> = new Set(["unauthenticated", "unimplemented"]);

/** Publishes messages over one stream. */
export interface PublisherClient {
  /**
   * Publishes a message. Messages of one turn of the event loop share a request; each succeeds or fails alone. Resolves when the
   * node has confirmed it. A message that was sent when the connection was lost is sent again with the same id.
   * @throws CarillonError the node's refusal; deadline_exceeded: not confirmed in time, and it may have been published;
   * resource_exhausted: `maxPending` messages are unconfirmed; failed_precondition: the publisher was closed
   */
  publish(message: PublisherMessage): Promise<PublisherReceipt>;
  /** Number of unconfirmed messages. */
  readonly pending: number;
  /** Resolves when at most half of `maxPending` messages are unconfirmed. */
  ready(): Promise<void>;
  /** Resolves when all messages have been confirmed, or have failed. */
  flush(): Promise<void>;
  /** Publishes nothing any more; resolves when all messages have been confirmed, or have failed. */
  close(): Promise<void>;
}

/**
 * Creates a publisher. It connects with the first message.
 * @throws CarillonError invalid_argument
 */
export function createPublisher(options: PublisherClientOptions): PublisherClient {
  return new StreamPublisher(options);
}

class StreamPublisher implements PublisherClient {
  readonly #client: PublishStreamClient;
  readonly #maxPending: number;
  readonly #timeout: number;
  readonly #queue = new SendQueue();
  readonly #backoff = new Backoff(FIRST_WAIT, MAX_WAIT);
  readonly #idPrefix = randomBytes(12).toString("base64url");
  #idCount = 0;
  #pending = 0;
  #call: PublishStreamCall | undefined;
  #isScheduled = false;
  #isBlocked = false;
  /** Timers keep the process alive while messages are unconfirmed. */
  #reconnect: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  /** Callers that wait until `pending` has fallen to a number. */
  readonly #waiters = new Set<{ readonly most: number; readonly resolve: () => void }>();
  #closed: Promise<void> | undefined;

  constructor(options: PublisherClientOptions) {
    const { maxPending, timeout } = readPublisherLimits(options);
    this.#maxPending = maxPending;
    this.#timeout = timeout;
    this.#client = createPublishStreamClient(options);
  }

  get pending(): number {
    return this.#pending;
  }

  async publish(message: PublisherMessage): Promise<PublisherReceipt> {
    if (this.#closed !== undefined) throw new CarillonError("failed_precondition", "the publisher was closed");
    if (this.#pending >= this.#maxPending)
      throw new CarillonError("resource_exhausted", `${this.#pending} messages are unconfirmed: wait for ready()`);
    const published = toPublishedMessage(message, this.#nextId());
    const { promise, reject, resolve } = withResolvers<PublisherReceipt>();
    const pending = {
      message: published,
      bytes: estimateBytes(published),
      expiresAt: performance.now() + this.#timeout,
      isSingle: false,
      isSettled: false,
      settle: (result: ConfirmedMessage | CarillonError): void => {
        if (pending.isSettled) return;
        pending.isSettled = true;
        this.#onSettled();
        if (result instanceof CarillonError) reject(result);
        else resolve(toReceipt(result));
      },
    };
    this.#pending += 1;
    this.#queue.push(pending);
    this.#schedule();
    this.#expiry ??= setTimeout(this.#expire, this.#timeout);
    return promise;
  }

  ready(): Promise<void> {
    return this.#waitForPending(Math.floor(this.#maxPending / 2));
  }

  flush(): Promise<void> {
    return this.#waitForPending(0);
  }

  close(): Promise<void> {
    this.#closed ??= this.flush().then(() => {
      this.#call?.end();
      this.#client.close();
    });
    return this.#closed;
  }

  #nextId(): string {
    this.#idCount += 1;
    return `${this.#idPrefix}-${this.#idCount.toString(36)}`;
  }

  #waitForPending(most: number): Promise<void> {
    if (this.#pending <= most) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.add({ most, resolve });
    });
  }

  #onSettled(): void {
    this.#pending -= 1;
    if (this.#pending === 0) this.#stopTimers();
    for (const waiter of this.#waiters) {
      if (this.#pending > waiter.most) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #stopTimers(): void {
    clearTimeout(this.#expiry);
    clearTimeout(this.#reconnect);
    this.#expiry = undefined;
    this.#reconnect = undefined;
  }

  /** Sends what waits at the end of the turn. */
  #schedule(): void {
    if (this.#isScheduled || this.#isBlocked || this.#reconnect !== undefined) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    while (this.#queue.hasWaiting && !this.#isBlocked) {
      const call = this.#call ?? this.#open();
      if (call.send({ messages: [...this.#queue.nextBatch()] })) continue;
      // Messages that are published meanwhile make larger batches.
      this.#isBlocked = true;
      void call.drained().then(() => {
        this.#isBlocked = false;
        this.#schedule();
      });
    }
  }

  #open(): PublishStreamCall {
    const call = this.#client.open({
      onResponse: ({ receipts }) => {
        this.#backoff.reset();
        this.#queue.confirm(receipts);
      },
      onEnd: (failure) => {
        if (this.#call === call) this.#onEnd(failure);
      },
    });
    this.#call = call;
    return call;
  }

  #onEnd(failure: CarillonError | undefined): void {
    this.#call = undefined;
    const isRefusal = failure !== undefined && !TRANSIENT.has(failure.code) && failure.retryDelay === undefined;
    if (isRefusal && FINAL.has(failure.code)) this.#queue.failAll(failure);
    else if (isRefusal && this.#queue.hasSent) this.#queue.refuse(failure);
    else this.#queue.returnSent();
    if (!this.#queue.hasWaiting) return;
    if (isRefusal) this.#schedule();
    else this.#reconnectLater(failure?.retryDelay ?? 0);
  }

  #reconnectLater(atLeast: number): void {
    this.#reconnect = setTimeout(
      () => {
        this.#reconnect = undefined;
        this.#schedule();
      },
      Math.max(atLeast, this.#backoff.next()),
    );
  }

  readonly #expire = (): void => {
    this.#expiry = undefined;
    const now = performance.now();
    this.#queue.expire(now, () => new CarillonError("deadline_exceeded", "the message was not confirmed in time"));
    const { oldest } = this.#queue;
    if (oldest === undefined) return;
    this.#expiry = setTimeout(this.#expire, Math.max(1, oldest.expiresAt - now));
  };
}
