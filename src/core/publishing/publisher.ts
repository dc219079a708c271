import { CarillonError, type ErrorCode } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import type { HistoryFinder, StoredReceipt } from "../history.js";
import type { Message, MessageIds, Publication, Receipt } from "../message.js";
import type { BrokerDirectory, Clock, NamedBroker, Published } from "../ports.js";
import type { PublishSpan, PublishTracer } from "../tracing/publish-tracer.js";
import type { TrafficCounts } from "../traffic.js";
import {
  checkDraft,
  checkExpanded,
  distinctTopics,
  type PublicationDraft,
  type PublisherLimits,
  type Source,
  withSessionIds,
} from "./publication-draft.js";

export interface PublisherOptions {
  readonly brokers: BrokerDirectory;
  readonly ids: MessageIds;
  readonly clock: Clock;
  readonly limits: PublisherLimits;
  readonly traffic: TrafficCounts;
  /** Undefined if traces are not recorded. */
  readonly tracer?: PublishTracer | undefined;
  /** Returns the finder of a vhost; undefined if no topic of the vhost has a history (rule H7). */
  readonly historyOf: (vhost: string) => HistoryFinder | undefined;
  /** Called when the broker does not confirm messages that were answered as accepted. */
  readonly onUnconfirmed: (messages: number, cause: unknown) => void;
}

/** Publications of a request for one broker. */
interface BrokerBatch {
  readonly broker: NamedBroker;
  readonly publications: Publication[];
  /** Number of its messages, and of their payloads' bytes. */
  messages: number;
  bytes: number;
  /** Position among the batches of the request. */
  readonly position: number;
}

/** A checked message. */
interface PreparedMessage {
  readonly id: string;
  /** Undefined if the message has no topic. */
  readonly batch: BrokerBatch | undefined;
  /** Its publications, where some of its topics have history. */
  readonly publications: readonly Publication[] | undefined;
}

/** A checked request that has not been published yet. It must be sent in the turn that prepared it. */
export interface Prepared {
  readonly source: Source["kind"];
  readonly batches: readonly BrokerBatch[];
  readonly messages: readonly PreparedMessage[];
  /** Time of acceptance, in milliseconds since the epoch. */
  readonly time: number;
  /** Ends when the request has been sent. Undefined if it is not sampled. */
  readonly span: PublishSpan | undefined;
}

/** Counts failed publishes, for the metrics. */
export class PublishFailures {
  readonly #counts: Readonly<Record<Source["kind"], Map<ErrorCode, number>>> = {
    backend: new Map(),
    client: new Map(),
  };

  count(source: Source["kind"], cause: unknown): void {
    const { code } = CarillonError.from(cause);
    const counts = this.#counts[source];
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }

  *all(): Generator<{ readonly source: Source["kind"]; readonly code: ErrorCode; readonly count: number }> {
    for (const source of ["backend", "client"] as const) {
      for (const [code, count] of this.#counts[source]) yield { source, code, count };
    }
  }
}

/** Checks and publishes the messages of backends and clients. A request is published whole or not at all (O4). */
export class Publisher {
  /** Accepted messages by kind of publisher, and their payload bytes. Each message counts once for all its topics. */
  readonly accepted = { backend: 0, client: 0, bytes: 0 };
  /** Refused requests, and batches that a broker did not confirm. */
  readonly failed = new PublishFailures();
  readonly #options: PublisherOptions;
  readonly #pending = new Set<Promise<unknown>>();
  #open = true;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Refuses every further request because the node is stopping. Resolves when all pending publishes are decided. */
  async close(): Promise<void> {
    this.#open = false;
    await Promise.allSettled(this.#pending);
  }

  /** Returns the finder of a vhost's history classes; undefined if no topic of the vhost has a history. */
  historyOf(vhost: string): HistoryFinder | undefined {
    return this.#options.historyOf(vhost);
  }

  /**
   * Publishes and waits for the brokers' confirmation.
   * @returns one receipt per draft, in order, with the stage that its broker confirmed; without a promise where all brokers
   *   confirm at once
   * @throws CarillonError invalid_argument, not_found, permission_denied, resource_exhausted: nothing was published
   * @throws CarillonError unavailable: nothing was published, or a broker was lost before it confirmed
   */
  publish(source: Source, drafts: readonly PublicationDraft[]): Receipt[] | Promise<Receipt[]> {
    return this.send(this.prepare(source, drafts));
  }

  /** Sends a prepared request: the second half of `publish`, for callers that handle refusals before anything is sent. */
  send(prepared: Prepared): Receipt[] | Promise<Receipt[]> {
    const { span } = prepared;
    return span === undefined ? this.#send(prepared) : endWith(span, () => this.#send(prepared));
  }

  #send({ batches, messages, source }: Prepared): Receipt[] | Promise<Receipt[]> {
    const results = batches.map((batch) => this.#publish(source, batch));
    if (areDecided(results)) return toReceipts(messages, results);
    return Promise.all(results.map((result) => Promise.resolve(result))).then((decided) =>
      toReceipts(messages, decided),
    );
  }

  /**
   * Publishes without waiting for the brokers.
   * @throws CarillonError as `prepare` does
   */
  accept(source: Source, drafts: readonly PublicationDraft[]): Receipt[] {
    const { batches, messages, span } = this.prepare(source, drafts);
    const send = (): Promise<Published>[] => batches.flatMap((batch) => this.#accept(source.kind, batch));
    if (span === undefined) void send();
    else void endWith(span, () => Promise.all(send())).catch(ignore);
    return messages.map(({ batch, id }) => ({ id, stage: batch && "accepted" }));
  }

  /** Publishes a batch, and reports a failure. @returns the promise of a broker that has not confirmed it yet */
  #accept(source: Source["kind"], batch: BrokerBatch): Promise<Published> | readonly [] {
    const published = this.#publish(source, batch);
    if (!(published instanceof Promise)) return NONE_PENDING;
    published.catch((cause: unknown) => {
      this.#options.onUnconfirmed(new Set(batch.publications.map(({ message }) => message)).size, cause);
    });
    return published;
  }

  #publish(source: Source["kind"], { broker, publications }: BrokerBatch): Published | Promise<Published> {
    const published = broker.driver.publish(publications);
    if (!(published instanceof Promise)) return published;
    const decided = (): void => {
      this.#pending.delete(published);
    };
    this.#pending.add(published);
    published.then(decided, (cause: unknown) => {
      decided();
      this.failed.count(source, cause);
    });
    return published;
  }

  /**
   * Checks a request without publishing it, apart from the state of the brokers.
   * @throws CarillonError invalid_argument, not_found, permission_denied
   */
  check(source: Source, drafts: readonly PublicationDraft[]): void {
    this.#counting(source, () => this.#check(source, drafts));
  }

  #check(source: Source, drafts: readonly PublicationDraft[]): void {
    for (const [position, original] of drafts.entries()) {
      checkDraft(withSessionIds(original), { source, position }, this.#options);
    }
  }

  /**
   * Checks and expands a request: the first half of `publish`, and everything that can refuse it.
   * @throws CarillonError invalid_argument, not_found, permission_denied, resource_exhausted, unavailable
   */
  prepare(source: Source, drafts: readonly PublicationDraft[]): Prepared {
    const span = this.#options.tracer?.begin(source, drafts);
    try {
      return this.#counting(source, () => this.#prepare(source, drafts, span));
    } catch (cause) {
      span?.end(cause);
      throw cause;
    }
  }

  #counting<T>({ kind }: Source, run: () => T): T {
    try {
      return run();
    } catch (cause) {
      this.failed.count(kind, cause);
      throw cause;
    }
  }

  #prepare(source: Source, drafts: readonly PublicationDraft[], span: PublishSpan | undefined): Prepared {
    const { clock, ids, limits } = this.#options;
    if (!this.#open) throw new CarillonError("unavailable", "this node is stopping");
    checkExpanded(drafts, limits.expandedBytes);
    const time = clock.now();
    const findHistory = source.findHistory ?? this.#options.historyOf(source.vhost)?.find;
    const batches: BrokerBatch[] = [];
    const messages: PreparedMessage[] = [];
    for (const [position, original] of drafts.entries()) {
      const draft = withSessionIds(original);
      const broker = checkDraft(draft, { source, position }, this.#options);
      const topics = distinctTopics(draft);
      const id = draft.id === "" ? ids.next() : draft.id;
      if (topics === undefined) {
        messages.push({ id, batch: undefined, publications: undefined });
        continue;
      }
      const message: Message = {
        id,
        event: draft.event,
        sender: source.sender,
        time,
        payload: draft.payload,
        trace: span?.contextFor(broker.name),
      };
      const batch = findBatch(batches, broker);
      batch.messages += 1;
      batch.bytes += draft.payload.length;
      const { publications } = batch;
      const begin = publications.length;
      let isStored = false;
      for (const topic of topics) {
        const history = findHistory?.(topic);
        if (history !== undefined) isStored = true;
        publications.push({ vhost: source.vhost, topic, message, history, hasGeneratedId: draft.id === "" });
      }
      messages.push({ id, batch, publications: isStored ? publications.slice(begin) : undefined });
    }
    for (const { broker, publications } of batches) broker.driver.admit(publications);
    for (const { broker, bytes, messages: count } of batches) {
      const traffic = this.#options.traffic.of(source.vhost, broker.name);
      traffic.messagesIn += count;
      traffic.bytesIn += bytes;
      this.accepted[source.kind] += count;
      this.accepted.bytes += bytes;
    }
    return { source: source.kind, batches, messages, time, span };
  }
}

/** Returns the request's batch for a broker. Nearly all requests have only one. */
function findBatch(batches: BrokerBatch[], broker: NamedBroker): BrokerBatch {
  const found = batches.find((batch) => batch.broker === broker);
  if (found !== undefined) return found;
  const added = { broker, publications: [], messages: 0, bytes: 0, position: batches.length };
  batches.push(added);
  return added;
}

const NONE_PENDING = [] as const;

/** Ends a span when the brokers have confirmed the request, or have not. */
function endWith<Sent>(span: PublishSpan, send: () => Sent): Sent {
  try {
    const sent = send();
    if (sent instanceof Promise) {
      sent.then(
        () => {
          span.end();
        },
        (cause: unknown) => {
          span.end(cause);
        },
      );
    } else span.end();
    return sent;
  } catch (cause) {
    span.end(cause);
    throw cause;
  }
}

function areDecided(results: readonly (Published | Promise<Published>)[]): results is readonly Published[] {
  return !results.some((result) => result instanceof Promise);
}

/** @param results - results of the batches */
function toReceipts(messages: readonly PreparedMessage[], results: readonly Published[]): Receipt[] {
  return messages.map((message) => toReceipt(message, message.batch && results[message.batch.position]));
}

/** A message is stored where all of its topics have stored it. */
function toReceipt({ id, publications }: PreparedMessage, published: Published | undefined): Receipt {
  if (published === undefined) return { id, stage: undefined };
  if (publications === undefined) return { id, stage: published.stage };
  const stored = new Map<string, StoredReceipt>();
  for (const publication of publications) {
    const receipt = published.stored.get(publication);
    if (receipt !== undefined) stored.set(publication.topic, receipt);
  }
  return { id, stage: stored.size === publications.length ? "stored" : published.stage, stored };
}
