import { CarillonError, type ErrorCode, invalidArgument } from "../errors.js";
import type { HistoryClass, StoredReceipt } from "./history.js";
import type { Message, MessageIds, Publication, Receipt } from "./message.js";
import type { BrokerDirectory, BrokerDriver, Clock, NamedBroker, Published } from "./ports.js";
import { fromSessionUuid } from "./session-uuid.js";
import { labelFault, topicFault } from "./topic-name.js";
import { isConnectionTopic, isUserTopic, mapConnectionTopic } from "./user-topic.js";

/** A message to publish, not checked yet. */
export interface PublicationDraft {
  /** "" for the vhost's default broker. */
  readonly broker: string;
  readonly topics: readonly string[];
  readonly payload: Uint8Array;
  readonly event: string;
  /** "" to have one generated. */
  readonly id: string;
}

/** Publisher of a message: a backend, or a client of the vhost. */
export interface Source {
  readonly kind: "backend" | "client";
  readonly vhost: string;
  /** Id of the publishing connection; "" for a backend. */
  readonly sender: string;
  /** Whether an empty topic name is skipped instead of refused. */
  readonly skipsEmptyTopics?: boolean;
  /** Finds the history classes of topics where they have been determined ahead. */
  readonly findHistory?: HistoryFinder["find"] | undefined;
  /** Returns the reason why it may not publish on the topic; undefined where it may. */
  refusal(topic: string): CarillonError | undefined;
}

/**
 * Cost in bytes of a message on each of its topics, on top of its payload. A request of 64 MiB thus has at most 65,536 pairs
 * of a message and a topic, which are checked and handed to the brokers in one turn of the event loop (rule O12).
 */
export const PUBLICATION_BYTES = 1_024;

export interface PublisherLimits {
  /** Largest payload, in bytes. */
  readonly payloadBytes: number;
  /** Largest number of topics of one message. */
  readonly topicsPerMessage: number;
  /** Largest size of an expanded request, in bytes: the sum of (payload + PUBLICATION_BYTES) × topics. */
  readonly expandedBytes: number;
}

/** Finds the history classes of a vhost's topics. */
export interface HistoryFinder {
  /** Returns the class of a topic's history; undefined for a topic without history. */
  readonly find: (topic: string) => HistoryClass | undefined;
  /** Returns the maximum steps of {@link find} (rule A15). A source that publishes many topics finds their classes ahead. */
  steps(topic: string): number;
}

export interface PublisherOptions {
  readonly brokers: BrokerDirectory;
  readonly ids: MessageIds;
  readonly clock: Clock;
  readonly limits: PublisherLimits;
  /** Returns the finder of a vhost; undefined where no topic of the vhost has a history (rule H7). */
  readonly historyOf: (vhost: string) => HistoryFinder | undefined;
  /** Called when the broker does not confirm messages that were answered as accepted. */
  readonly onUnconfirmed: (messages: number, cause: unknown) => void;
}

/** A checked message. */
interface PreparedMessage {
  readonly id: string;
  /** Undefined where the message has no topic. */
  readonly driver: BrokerDriver | undefined;
  /** Its publications, where some of its topics have history. */
  readonly publications: readonly Publication[] | undefined;
}

/** A checked request that has not been published yet. It must be sent in the turn that prepared it. */
export interface Prepared {
  readonly source: Source["kind"];
  readonly batches: ReadonlyMap<BrokerDriver, readonly Publication[]>;
  readonly messages: readonly PreparedMessage[];
  /** Time of acceptance, in milliseconds since the epoch. */
  readonly time: number;
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

  /** Returns the finder of a vhost's history classes; undefined where no topic of the vhost has a history. */
  historyOf(vhost: string): HistoryFinder | undefined {
    return this.#options.historyOf(vhost);
  }

  /**
   * Publishes and waits for the brokers' confirmation.
   * @returns one receipt per draft, in order, with the stage that its broker confirmed
   * @throws CarillonError invalid_argument, not_found, permission_denied, resource_exhausted: nothing was published
   * @throws CarillonError unavailable: nothing was published, or a broker was lost before it confirmed
   */
  async publish(source: Source, drafts: readonly PublicationDraft[]): Promise<Receipt[]> {
    return this.send(this.prepare(source, drafts));
  }

  /** Sends a prepared request: the second half of `publish`, for callers that handle refusals before anything is sent. */
  async send({ batches, messages, source }: Prepared): Promise<Receipt[]> {
    const [only] = batches;
    if (batches.size === 1 && only !== undefined) {
      const published = await this.#publish(source, ...only);
      return messages.map((message) => toReceipt(message, published));
    }
    const sent = new Map<BrokerDriver, Promise<Published>>();
    for (const [driver, batch] of batches) sent.set(driver, this.#publish(source, driver, batch));
    const results = await Promise.all(sent.values());
    const resultOf = new Map([...sent.keys()].map((driver, position) => [driver, results[position]]));
    return messages.map((message) => toReceipt(message, message.driver && resultOf.get(message.driver)));
  }

  /**
   * Publishes without waiting for the brokers.
   * @throws CarillonError as `prepare` does
   */
  accept(source: Source, drafts: readonly PublicationDraft[]): Receipt[] {
    const { batches, messages } = this.prepare(source, drafts);
    for (const [driver, batch] of batches) {
      this.#publish(source.kind, driver, batch).catch((cause: unknown) => {
        this.#options.onUnconfirmed(new Set(batch.map(({ message }) => message)).size, cause);
      });
    }
    return messages.map(({ driver, id }) => ({ id, stage: driver && "accepted" }));
  }

  #publish(source: Source["kind"], driver: BrokerDriver, batch: readonly Publication[]): Promise<Published> {
    const published = driver.publish(batch);
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
      const draft = withSessionIds(original);
      const where = describePosition(source, position);
      checkDraft(draft, this.#options.limits, where, source);
      checkRights(draft, source, where);
      resolve(this.#options.brokers, source.vhost, draft, where);
    }
  }

  /**
   * Checks and expands a request: the first half of `publish`, and everything that can refuse it.
   * @throws CarillonError invalid_argument, not_found, permission_denied, resource_exhausted, unavailable
   */
  prepare(source: Source, drafts: readonly PublicationDraft[]): Prepared {
    return this.#counting(source, () => this.#prepare(source, drafts));
  }

  #counting<T>({ kind }: Source, run: () => T): T {
    try {
      return run();
    } catch (cause) {
      this.failed.count(kind, cause);
      throw cause;
    }
  }

  #prepare(source: Source, drafts: readonly PublicationDraft[]): Prepared {
    const { brokers, clock, ids, limits } = this.#options;
    if (!this.#open) throw new CarillonError("unavailable", "this node is stopping");
    checkExpanded(drafts, limits.expandedBytes);
    const time = clock.now();
    const findHistory = source.findHistory ?? this.#options.historyOf(source.vhost)?.find;
    const batches = new Map<BrokerDriver, Publication[]>();
    const messages: PreparedMessage[] = [];
    let published = 0;
    let bytes = 0;
    for (const [position, original] of drafts.entries()) {
      const draft = withSessionIds(original);
      const where = describePosition(source, position);
      checkDraft(draft, limits, where, source);
      checkRights(draft, source, where);
      const { driver } = resolve(brokers, source.vhost, draft, where);
      const topics = distinct(draft.topics);
      const id = draft.id === "" ? ids.next() : draft.id;
      if (topics === undefined) {
        messages.push({ id, driver: undefined, publications: undefined });
        continue;
      }
      const message: Message = {
        id,
        event: draft.event,
        sender: source.sender,
        time,
        payload: draft.payload,
      };
      published += 1;
      bytes += draft.payload.length;
      const batch = batches.get(driver) ?? [];
      batches.set(driver, batch);
      const begin = batch.length;
      let isStored = false;
      for (const topic of topics) {
        const history = findHistory?.(topic);
        if (history !== undefined) isStored = true;
        batch.push({ vhost: source.vhost, topic, message, history, hasGeneratedId: draft.id === "" });
      }
      messages.push({ id, driver, publications: isStored ? batch.slice(begin) : undefined });
    }
    for (const [driver, batch] of batches) driver.admit(batch);
    this.accepted[source.kind] += published;
    this.accepted.bytes += bytes;
    return { source: source.kind, batches, messages, time };
  }
}

/** A message is stored where all of its topics have stored it. */
function toReceipt({ driver, id, publications }: PreparedMessage, published: Published | undefined): Receipt {
  if (driver === undefined || published === undefined) return { id, stage: undefined };
  if (publications === undefined) return { id, stage: published.stage };
  const stored = new Map<string, StoredReceipt>();
  for (const publication of publications) {
    const receipt = published.stored.get(publication);
    if (receipt !== undefined) stored.set(publication.topic, receipt);
  }
  return { id, stage: stored.size === publications.length ? "stored" : published.stage, stored };
}

/** Checks the expanded size first, because it is cheap: checking all topics takes as long as publishing. */
function checkExpanded(drafts: readonly PublicationDraft[], limit: number): void {
  let bytes = 0;
  for (const { payload, topics } of drafts) bytes += (payload.length + PUBLICATION_BYTES) * topics.length;
  if (bytes <= limit) return;
  throw new CarillonError(
    "resource_exhausted",
    `request too large: expands to ${bytes} bytes (payload + ${PUBLICATION_BYTES} for each topic), the limit is ${limit}`,
    { retryDelay: Number.POSITIVE_INFINITY },
  );
}

/** Replaces UUIDs in the names of connection topics by session ids (X1). */
function withSessionIds(draft: PublicationDraft): PublicationDraft {
  const { topics } = draft;
  if (!topics.some(isConnectionTopic)) return draft;
  return { ...draft, topics: topics.map((topic) => mapConnectionTopic(topic, fromSessionUuid)) };
}

/** Prefix of error texts that names a draft; "" for a client, which sends one at a time. */
function describePosition({ kind }: Source, position: number): string {
  return kind === "backend" ? `messages[${position}].` : "";
}

/** Returns each topic once, without the empty names that checkDraft skips; undefined where none is left. */
function distinct(topics: readonly string[]): Iterable<string> | undefined {
  if (topics.length === 1) return topics[0] === "" ? undefined : topics;
  const all = new Set(topics);
  all.delete("");
  return all.size === 0 ? undefined : all;
}

function checkDraft(draft: PublicationDraft, limits: PublisherLimits, where: string, source: Source): void {
  const { event, id, payload, topics } = draft;
  if (topics.length === 0) throw invalidArgument(`${where}topics: at least one is required`);
  if (topics.length > limits.topicsPerMessage) {
    throw invalidArgument(`${where}topics: got ${topics.length}, the limit is ${limits.topicsPerMessage}`);
  }
  for (const [position, topic] of topics.entries()) {
    const fault = topicFault(topic);
    if (fault === undefined || (source.kind === "backend" && isUserTopic(topic))) continue;
    if (topic === "" && source.skipsEmptyTopics === true) continue;
    throw invalidArgument(`${where}topics[${position}] ${fault}`);
  }
  if (payload.length > limits.payloadBytes) {
    throw invalidArgument(`${where}payload: ${payload.length} bytes, the limit is ${limits.payloadBytes}`);
  }
  const eventFault = labelFault(event);
  if (eventFault !== undefined) throw invalidArgument(`${where}event ${eventFault}`);
  const idFault = labelFault(id);
  if (idFault !== undefined) throw invalidArgument(`${where}id ${idFault}`);
}

function checkRights({ topics }: PublicationDraft, source: Source, where: string): void {
  for (const topic of topics) {
    if (topic === "") continue;
    const refusal = source.refusal(topic);
    if (refusal !== undefined) throw new CarillonError(refusal.code, `${where}${refusal.message}`);
  }
}

function resolve(
  brokers: BrokerDirectory,
  vhost: string,
  { broker: name, topics }: PublicationDraft,
  where: string,
): { driver: BrokerDriver } {
  let broker: NamedBroker;
  try {
    broker = brokers.resolve(vhost, name);
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error;
    throw new CarillonError(error.code, `${where}broker: ${error.message}`);
  }
  if (name !== "") checkUserTopics(topics, broker, brokers.resolve(vhost, ""), where);
  return broker;
}

/** Rejects user and connection topics on brokers other than the default, because nodes subscribe to them only there. */
function checkUserTopics(topics: readonly string[], broker: NamedBroker, standard: NamedBroker, where: string): void {
  if (broker.name === standard.name) return;
  const position = topics.findIndex(isUserTopic);
  if (position === -1) return;
  throw invalidArgument(
    `${where}topics[${position}] can be published only on the vhost's default broker ${JSON.stringify(standard.name)}`,
  );
}
