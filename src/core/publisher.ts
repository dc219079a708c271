import { CarillonError } from "../errors.js";
import type { Message, MessageIds, Publication, Receipt, Stage } from "./message.js";
import type { BrokerDirectory, BrokerDriver, Clock, NamedBroker } from "./ports.js";
import { PublishFailures } from "./publish-failures.js";
import { fromSessionUuid } from "./session-uuid.js";
import { labelFault, topicFault } from "./topic-name.js";
import { isConnectionTopic, isUserTopic, mapConnectionTopic } from "./user-topic.js";

/** What somebody asks to have published. */
export interface PublicationDraft {
  /** "" for the vhost's default broker. */
  readonly broker: string;
  readonly topics: readonly string[];
  readonly payload: Uint8Array;
  readonly event: string;
  /** "" to have one made. */
  readonly id: string;
}

/** Who asks: a backend, or a client of the vhost. */
export interface Source {
  readonly kind: "backend" | "client";
  readonly vhost: string;
  /** Id of the connection that asks; "" for a backend. */
  readonly sender: string;
  /** Whether an empty topic name is skipped, and refused otherwise. */
  readonly skipsEmptyTopics?: boolean;
  /** Why it may not publish on the topic; undefined where it may. */
  refusal(topic: string): CarillonError | undefined;
}

/**
 * Cost of a message on each of its topics beside its payload. With 64 MiB for a request, it has at most 65,536 pairs of a
 * message and a topic: they are checked and handed to the brokers in one turn of the event loop (rule O12).
 */
export const PUBLICATION_BYTES = 1_024;

export interface PublisherLimits {
  /** Largest payload, in bytes. */
  readonly payloadBytes: number;
  /** Most topics of one message. */
  readonly topicsPerMessage: number;
  /** Most bytes that one request may become: the sum of (payload + PUBLICATION_BYTES) × topics. */
  readonly expandedBytes: number;
}

export interface PublisherOptions {
  readonly brokers: BrokerDirectory;
  readonly ids: MessageIds;
  readonly clock: Clock;
  readonly limits: PublisherLimits;
  /** Told when messages answered as accepted were not confirmed by the broker afterwards. */
  readonly onUnconfirmed: (messages: number, cause: unknown) => void;
}

/** A checked message. */
interface PreparedMessage {
  readonly id: string;
  /** Undefined: there is no topic to publish it on. */
  readonly driver: BrokerDriver | undefined;
}

/** What one request has become: checked whole, nothing published yet. To be sent in the turn that made it. */
export interface Prepared {
  readonly source: Source["kind"];
  readonly batches: ReadonlyMap<BrokerDriver, readonly Publication[]>;
  readonly messages: readonly PreparedMessage[];
  /** When they were accepted, in milliseconds since the epoch. */
  readonly time: number;
}

/** The one place where a publish is checked, whoever sent it. A request is published whole or not at all (O4). */
export class Publisher {
  /** Messages accepted, by who sent them, and their payload bytes, each counted once for all its topics. */
  readonly accepted = { backend: 0, client: 0, bytes: 0 };
  /** Requests that were refused, and batches that a broker did not confirm. */
  readonly failed = new PublishFailures();
  readonly #options: PublisherOptions;
  readonly #underWay = new Set<Promise<unknown>>();
  #open = true;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** From now on everything is refused: the node is stopping. Resolves when what was sent before is decided. */
  async close(): Promise<void> {
    this.#open = false;
    await Promise.allSettled(this.#underWay);
  }

  /**
   * Publishes and waits for the brokers' word.
   * @returns one receipt a draft, in order, at the stage that its broker has confirmed
   * @throws CarillonError invalid_argument, not_found, permission_denied, resource_exhausted: nothing was published
   * @throws CarillonError unavailable: nothing was published, or a broker was lost before it confirmed
   */
  async publish(source: Source, drafts: readonly PublicationDraft[]): Promise<Receipt[]> {
    return this.send(this.prepare(source, drafts));
  }

  /** The second half of publish, for callers that must know of a refusal before they go on. */
  async send({ batches, messages, source }: Prepared): Promise<Receipt[]> {
    const [only] = batches;
    if (batches.size === 1 && only !== undefined) {
      const stage = await this.#publish(source, ...only);
      return messages.map(({ driver, id }) => ({ id, stage: driver && stage }));
    }
    const sent = new Map<BrokerDriver, Promise<Stage>>();
    for (const [driver, batch] of batches) sent.set(driver, this.#publish(source, driver, batch));
    const stages = await Promise.all(sent.values());
    const stageOf = new Map([...sent.keys()].map((driver, position) => [driver, stages[position]]));
    return messages.map(({ id, driver }) => ({ id, stage: driver && (stageOf.get(driver) ?? "accepted") }));
  }

  /**
   * Publishes without waiting for the brokers.
   * @throws as publish does, where it is known at once
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

  #publish(source: Source["kind"], driver: BrokerDriver, batch: readonly Publication[]): Promise<Stage> {
    const stage = driver.publish(batch);
    const decided = (): void => {
      this.#underWay.delete(stage);
    };
    this.#underWay.add(stage);
    stage.then(decided, (cause: unknown) => {
      decided();
      this.failed.count(source, cause);
    });
    return stage;
  }

  /**
   * Says whether publish would take it, as far as that depends on the request itself.
   * @throws CarillonError invalid_argument, not_found, permission_denied
   */
  check(source: Source, drafts: readonly PublicationDraft[]): void {
    this.#counting(source, () => this.#check(source, drafts));
  }

  #check(source: Source, drafts: readonly PublicationDraft[]): void {
    for (const [position, given] of drafts.entries()) {
      const draft = withSessionIds(given);
      const where = placeOf(source, position);
      checkDraft(draft, this.#options.limits, where, source);
      checkRights(draft, source, where);
      resolve(this.#options.brokers, source.vhost, draft, where);
    }
  }

  /**
   * The first half of publish: everything that can refuse a request.
   * @throws as publish does for a refusal
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
    const batches = new Map<BrokerDriver, Publication[]>();
    const messages: PreparedMessage[] = [];
    let published = 0;
    let bytes = 0;
    for (const [position, given] of drafts.entries()) {
      const draft = withSessionIds(given);
      const where = placeOf(source, position);
      checkDraft(draft, limits, where, source);
      checkRights(draft, source, where);
      const { driver } = resolve(brokers, source.vhost, draft, where);
      const topics = distinct(draft.topics);
      const id = draft.id === "" ? ids.next() : draft.id;
      if (topics === undefined) {
        messages.push({ id, driver: undefined });
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
      for (const topic of topics) batch.push({ vhost: source.vhost, topic, message });
      messages.push({ id, driver });
    }
    for (const [driver, batch] of batches) driver.admit(batch);
    this.accepted[source.kind] += published;
    this.accepted.bytes += bytes;
    return { source: source.kind, batches, messages, time };
  }
}

/** Comes first, because it is cheap: checking the topics of a request that is refused after all takes as long as publishing. */
function checkExpanded(drafts: readonly PublicationDraft[], limit: number): void {
  let bytes = 0;
  for (const { payload, topics } of drafts) bytes += (payload.length + PUBLICATION_BYTES) * topics.length;
  if (bytes <= limit) return;
  throw new CarillonError(
    "resource_exhausted",
    `the request becomes ${bytes} bytes (payloads and ${PUBLICATION_BYTES} each, times topics), the limit is ${limit}`,
    { retryDelay: Number.POSITIVE_INFINITY },
  );
}

/** A connection may be named by its UUID, too (X1). */
function withSessionIds(draft: PublicationDraft): PublicationDraft {
  const { topics } = draft;
  if (!topics.some(isConnectionTopic)) return draft;
  return { ...draft, topics: topics.map((topic) => mapConnectionTopic(topic, fromSessionUuid)) };
}

/** What faults of a draft are told to be in: a client sends one at a time. */
function placeOf({ kind }: Source, position: number): string {
  return kind === "backend" ? `messages[${position}].` : "";
}

/** Each topic once, without the empty names that checkDraft has let through; undefined where nothing is left. */
function distinct(topics: readonly string[]): Iterable<string> | undefined {
  if (topics.length === 1) return topics[0] === "" ? undefined : topics;
  const all = new Set(topics);
  all.delete("");
  return all.size === 0 ? undefined : all;
}

function checkDraft(draft: PublicationDraft, limits: PublisherLimits, where: string, source: Source): void {
  const { event, id, payload, topics } = draft;
  if (topics.length === 0) throw invalid(`${where}topics: at least one is needed`);
  if (topics.length > limits.topicsPerMessage) {
    throw invalid(`${where}topics: ${topics.length} of them, the limit is ${limits.topicsPerMessage}`);
  }
  for (const [position, topic] of topics.entries()) {
    const fault = topicFault(topic);
    if (fault === undefined || (source.kind === "backend" && isUserTopic(topic))) continue;
    if (topic === "" && source.skipsEmptyTopics === true) continue;
    throw invalid(`${where}topics[${position}] ${fault}`);
  }
  if (payload.length > limits.payloadBytes) {
    throw invalid(`${where}payload: ${payload.length} bytes, the limit is ${limits.payloadBytes}`);
  }
  const eventFault = labelFault(event);
  if (eventFault !== undefined) throw invalid(`${where}event ${eventFault}`);
  const idFault = labelFault(id);
  if (idFault !== undefined) throw invalid(`${where}id ${idFault}`);
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
  if (name !== "") checkHeard(topics, broker, brokers.resolve(vhost, ""), where);
  return broker;
}

/** Topics that nobody joins are heard on one broker only. */
function checkHeard(topics: readonly string[], broker: NamedBroker, standard: NamedBroker, where: string): void {
  if (broker.name === standard.name) return;
  const position = topics.findIndex(isUserTopic);
  if (position === -1) return;
  throw invalid(
    `${where}topics[${position}] is heard on the vhost's default broker only, ${JSON.stringify(standard.name)}`,
  );
}

function invalid(message: string): CarillonError {
  return new CarillonError("invalid_argument", message);
}
