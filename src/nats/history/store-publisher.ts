import { createInbox, type Msg, type NatsConnection } from "nats";
import type { HistoryClass, StoredReceipt } from "../../core/history.js";
import type { Publication } from "../../core/message.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { HistoryCounts } from "../../history/history-counts.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { computePublishedSize } from "../broker/metadata.js";
import { describeConnectFailure } from "../link/connect.js";
import { toIdentity, toStoredHeaders } from "./nats-stored-message.js";
import { createMessagePosition } from "./position.js";
import type { ClassStream } from "./streams/class-stream.js";

/** Pause before a publish is repeated, in milliseconds. */
const RETRY_WAIT = 100;
const NO_RESPONDERS = 503;

/** A publication on a topic with history. */
export interface StoredPublication extends Publication {
  readonly history: HistoryClass;
}

/** The publications of one call. */
interface Batch {
  remaining: number;
  readonly receipts: Map<Publication, StoredReceipt>;
  readonly resolve: () => void;
  readonly reject: (cause: CarillonError) => void;
}

/** A publication that the stream has not acknowledged. */
interface PendingStore {
  readonly publication: Publication;
  readonly stream: ClassStream;
  readonly subject: string;
  readonly batch: Batch;
  readonly bytes: number;
  readonly sentAt: number;
}

/** A publication whose id was stored before. */
export interface DuplicateCopy {
  readonly publication: Publication;
  readonly stream: ClassStream;
}

interface Acknowledgement {
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly description?: string };
}

export interface StorePublisherOptions {
  /** Name of the broker, for errors. */
  readonly broker: string;
  readonly clock: Clock;
  /** Maximum wait for an acknowledgement, in milliseconds. */
  readonly timeout: number;
  readonly counts: HistoryCounts;
  readonly connection: () => NatsConnection | undefined;
  readonly findStream: (vhost: string, history: HistoryClass) => ClassStream;
  /** Reads the position of the first message that was stored with an id. @throws CarillonError unavailable */
  readonly readPosition: (pending: DuplicateCopy, sequence: number) => Promise<string>;
  /** Called with bytes whose acknowledgement has timed out, which the connection may still hold. */
  readonly onOverdue: (bytes: number) => void;
}

/**
 * Publishes messages of topics with history, many at a time, and waits until their streams have acknowledged them (rule H1).
 * Uses one subscription for all acknowledgements and one timer for all publications.
 */
export class StorePublisher {
  readonly #options: StorePublisherOptions;
  readonly #inbox = createInbox();
  /** By number, in the order in which they were sent. */
  readonly #pending = new Map<number, PendingStore>();
  /** Numbers of those that wait until their stream is open. */
  readonly #waiting = new Map<ClassStream, Set<number>>();
  #attached: NatsConnection | undefined;
  #count = 0;
  #pendingBytes = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: StorePublisherOptions) {
    this.#options = options;
  }

  /** Bytes that have not been acknowledged. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Subscribes to acknowledgements on first use of a connection. The library renews the subscription after a reconnect. */
  #attach(connection: NatsConnection): void {
    if (this.#attached === connection) return;
    this.#attached = connection;
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, msg) => {
        if (error === null) this.#onAcknowledgement(msg);
      },
    });
  }

  /**
   * Sends all of these in order.
   * @returns the receipts when all are stored
   * @throws CarillonError unavailable, permission_denied: some may have been stored
   */
  async publish(publications: readonly StoredPublication[]): Promise<ReadonlyMap<Publication, StoredReceipt>> {
    const { promise, resolve, reject } = withResolvers<void>();
    const batch: Batch = { remaining: publications.length, receipts: new Map(), resolve, reject };
    const sentAt = this.#options.clock.monotonic();
    for (const publication of publications) {
      const stream = this.#options.findStream(publication.vhost, publication.history);
      const bytes = computePublishedSize(publication.message) + publication.topic.length;
      const subject = stream.toSubject(publication.topic);
      const pending = { publication, stream, subject, batch, bytes, sentAt };
      this.#count += 1;
      const number = this.#count;
      this.#pending.set(number, pending);
      this.#pendingBytes += bytes;
      this.#sendInOrder(number, pending);
    }
    this.#startTimer();
    await promise;
    return batch.receipts;
  }

  /** Sends at once, or after those that wait for the stream. */
  #sendInOrder(number: number, pending: PendingStore): void {
    const { stream } = pending;
    const waiting = this.#waiting.get(stream);
    if (waiting !== undefined) waiting.add(number);
    else if (stream.isReady) this.#send(number, pending);
    else {
      this.#waiting.set(stream, new Set([number]));
      this.#flush(stream);
    }
  }

  /** Opens the stream, and sends what waits for it. */
  #flush(stream: ClassStream): void {
    stream.open().then(
      () => {
        const numbers = [...(this.#waiting.get(stream) ?? [])].toSorted((a, b) => a - b);
        this.#waiting.delete(stream);
        for (const number of numbers) {
          const pending = this.#pending.get(number);
          if (pending !== undefined) this.#send(number, pending);
        }
      },
      (cause: unknown) => {
        const { code, message } = CarillonError.from(cause);
        const numbers = [...(this.#waiting.get(stream) ?? [])].filter((number) => this.#pending.has(number));
        if (code === "failed_precondition")
          for (const number of numbers) this.#fail(number, new CarillonError("unavailable", message));
        if (code === "failed_precondition" || numbers.length === 0) this.#waiting.delete(stream);
        else this.#flushLater(stream);
      },
    );
  }

  #flushLater(stream: ClassStream): void {
    this.#options.clock.after(RETRY_WAIT, () => {
      this.#flush(stream);
    });
  }

  #send(number: number, pending: PendingStore): void {
    const { publication, subject } = pending;
    const { message, topic } = publication;
    try {
      const connection = this.#options.connection();
      if (connection === undefined) throw new Error("not connected");
      this.#attach(connection);
      const reply = `${this.#inbox}.${number.toString(36)}`;
      connection.publish(subject, message.payload, { headers: toStoredHeaders(message, topic), reply });
    } catch (cause) {
      this.#fail(number, this.#unavailable(describeConnectFailure(cause)));
    }
  }

  #onAcknowledgement(msg: Msg): void {
    const number = Number.parseInt(msg.subject.slice(this.#inbox.length + 1), 36);
    const pending = this.#pending.get(number);
    if (pending === undefined) return;
    if (msg.headers?.code === NO_RESPONDERS) {
      // The stream is missing, or has no leader at the moment.
      pending.stream.markLost();
      this.#retry(number, pending);
      return;
    }
    let answer: Acknowledgement;
    try {
      answer = JSON.parse(Buffer.from(msg.data).toString()) as Acknowledgement;
    } catch {
      answer = { error: { description: "unexpected acknowledgement" } };
    }
    const { duplicate = false, error, seq, stream } = answer;
    if (seq === undefined || stream === undefined) {
      this.#fail(number, this.#unavailable(error?.description ?? "unexpected acknowledgement"));
    } else if (seq === 0) {
      // A copy with the same id is on its way through the cluster. Its sequence is known when it has been stored.
      this.#retry(number, pending);
    } else if (duplicate) {
      this.#onDuplicate(number, pending, seq);
    } else {
      const { message, topic } = pending.publication;
      const address = { stream, subject: pending.subject };
      const position = createMessagePosition(address, seq, toIdentity(message, topic), message.payload);
      this.#complete(number, pending, { position, duplicate });
    }
  }

  #onDuplicate(number: number, pending: PendingStore, sequence: number): void {
    this.#options.readPosition(pending, sequence).then(
      (position) => {
        this.#complete(number, pending, { position, duplicate: true });
      },
      (cause: unknown) => {
        this.#fail(number, CarillonError.from(cause));
      },
    );
  }

  /** Sends again, after a pause and before later publications. */
  #retry(number: number, { stream }: PendingStore): void {
    const waiting = this.#waiting.get(stream);
    if (waiting === undefined) {
      this.#waiting.set(stream, new Set([number]));
      this.#flushLater(stream);
    } else waiting.add(number);
  }

  #complete(number: number, pending: PendingStore, receipt: StoredReceipt): void {
    if (!this.#remove(number, pending)) return;
    const { clock, counts } = this.#options;
    if (receipt.duplicate) counts.duplicates += 1;
    else {
      counts.stored += 1;
      counts.storedMilliseconds += clock.monotonic() - pending.sentAt;
    }
    const { batch, publication } = pending;
    batch.receipts.set(publication, receipt);
    batch.remaining -= 1;
    if (batch.remaining === 0) batch.resolve();
  }

  #fail(number: number, cause: CarillonError): void {
    const pending = this.#pending.get(number);
    if (pending === undefined || !this.#remove(number, pending)) return;
    this.#options.counts.failed += 1;
    pending.batch.reject(cause);
  }

  #remove(number: number, pending: PendingStore): boolean {
    if (!this.#pending.delete(number)) return false;
    this.#pendingBytes -= pending.bytes;
    return true;
  }

  stop(): void {
    this.failAll();
    this.#cancelTimer?.();
  }

  /** Fails all publications, because the connection was lost together with sent data and answers. */
  failAll(): void {
    for (const number of this.#pending.keys()) this.#fail(number, this.#unavailable("the connection was lost"));
  }

  /** Fails the publications on a subject that the server refused. */
  refuse(subject: string): void {
    for (const [number, pending] of this.#pending) {
      if (pending.subject !== subject) continue;
      const topic = JSON.stringify(pending.publication.topic);
      const text = `${this.#options.broker} does not permit this node to publish on topic ${topic} with history`;
      this.#fail(number, new CarillonError("permission_denied", text));
    }
  }

  #startTimer(): void {
    if (this.#cancelTimer !== undefined) return;
    for (const { sentAt } of this.#pending.values()) {
      const { clock, timeout } = this.#options;
      const wait = Math.max(1, sentAt + timeout - clock.monotonic());
      this.#cancelTimer = clock.after(wait, this.#expire);
      return;
    }
  }

  readonly #expire = (): void => {
    this.#cancelTimer = undefined;
    const { clock, onOverdue, timeout } = this.#options;
    const latest = clock.monotonic() - timeout;
    let bytes = 0;
    for (const [number, pending] of this.#pending) {
      if (pending.sentAt > latest) break;
      bytes += pending.bytes;
      this.#fail(number, this.#unavailable(`not stored within ${timeout} ms`));
    }
    if (bytes > 0) onOverdue(bytes);
    this.#startTimer();
  };

  #unavailable(reason: string): CarillonError {
    const text = `the history of ${this.#options.broker}: ${reason}: the outcome is unknown`;
    return new CarillonError("unavailable", text);
  }
}
