import { CarillonError, invalidArgument } from "../../errors.js";
import type { HistoryFinder } from "../history.js";
import type { BrokerDirectory, NamedBroker } from "../ports.js";
import { fromSessionUuid } from "../session-uuid.js";
import { labelProblem, topicProblem } from "../topic-name.js";
import { isConnectionTopic, isUserTopic, mapConnectionTopic } from "../user-topic.js";

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
  /** Returns the reason why it may not publish on the topic; undefined if it may. */
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
  /** Maximum number of topics of one message. */
  readonly topicsPerMessage: number;
  /** Largest size of an expanded request, in bytes: the sum of (payload + PUBLICATION_BYTES) × topics. */
  readonly expandedBytes: number;
}

/**
 * Checks the size of a request. It comes before all other checks, because it is cheap: checking all topics takes as long as
 * publishing.
 * @throws CarillonError resource_exhausted
 */
export function checkExpanded(drafts: readonly PublicationDraft[], limit: number): void {
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
export function withSessionIds(draft: PublicationDraft): PublicationDraft {
  const { topics } = draft;
  if (!topics.some(isConnectionTopic)) return draft;
  return { ...draft, topics: topics.map((topic) => mapConnectionTopic(topic, fromSessionUuid)) };
}

/** Returns each topic once, without the empty names that a source may skip; undefined if none is left. */
export function distinctTopics({ topics }: PublicationDraft): Iterable<string> | undefined {
  if (topics.length === 1) return topics[0] === "" ? undefined : topics;
  const all = new Set(topics);
  all.delete("");
  return all.size === 0 ? undefined : all;
}

/** Place of a message in its request, for the texts of errors. */
interface Place {
  readonly source: Source;
  readonly position: number;
}

export interface DraftChecks {
  readonly brokers: BrokerDirectory;
  readonly limits: PublisherLimits;
}

/**
 * Checks a message's form, the source's rights and the broker.
 * @returns the broker
 * @throws CarillonError invalid_argument, not_found, permission_denied
 */
export function checkDraft(draft: PublicationDraft, place: Place, { brokers, limits }: DraftChecks): NamedBroker {
  checkForm(draft, limits, place);
  checkRights(draft, place);
  return resolveBroker(draft, brokers, place);
}

/** Prefix of error texts that names a message; "" for a client, which sends one at a time. */
function describe({ position, source }: Place): string {
  return source.kind === "backend" ? `messages[${position}].` : "";
}

function checkForm({ event, id, payload, topics }: PublicationDraft, limits: PublisherLimits, place: Place): void {
  const { source } = place;
  if (topics.length === 0) throw invalidArgument(`${describe(place)}topics: at least one is required`);
  if (topics.length > limits.topicsPerMessage) {
    throw invalidArgument(`${describe(place)}topics: got ${topics.length}, the limit is ${limits.topicsPerMessage}`);
  }
  for (const [position, topic] of topics.entries()) {
    const problem = topicProblem(topic);
    if (problem === undefined || (source.kind === "backend" && isUserTopic(topic))) continue;
    if (topic === "" && source.skipsEmptyTopics === true) continue;
    throw invalidArgument(`${describe(place)}topics[${position}] ${problem}`);
  }
  if (payload.length > limits.payloadBytes) {
    throw invalidArgument(`${describe(place)}payload: ${payload.length} bytes, the limit is ${limits.payloadBytes}`);
  }
  const eventProblem = labelProblem(event);
  if (eventProblem !== undefined) throw invalidArgument(`${describe(place)}event ${eventProblem}`);
  const idProblem = labelProblem(id);
  if (idProblem !== undefined) throw invalidArgument(`${describe(place)}id ${idProblem}`);
}

function checkRights({ topics }: PublicationDraft, place: Place): void {
  for (const topic of topics) {
    if (topic === "") continue;
    const refusal = place.source.refusal(topic);
    if (refusal !== undefined) throw new CarillonError(refusal.code, `${describe(place)}${refusal.message}`);
  }
}

function resolveBroker(
  { broker: name, topics }: PublicationDraft,
  brokers: BrokerDirectory,
  place: Place,
): NamedBroker {
  const { vhost } = place.source;
  let broker: NamedBroker;
  try {
    broker = brokers.resolve(vhost, name);
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error;
    throw new CarillonError(error.code, `${describe(place)}broker: ${error.message}`);
  }
  if (name !== "") checkUserTopics(topics, broker, brokers.resolve(vhost, ""), place);
  return broker;
}

/** Rejects user and connection topics on brokers other than the default, because nodes subscribe to them only there. */
function checkUserTopics(topics: readonly string[], broker: NamedBroker, standard: NamedBroker, place: Place): void {
  if (broker.name === standard.name) return;
  const position = topics.findIndex(isUserTopic);
  if (position === -1) return;
  throw invalidArgument(
    `${describe(place)}topics[${position}] can be published only on the vhost's default broker ${JSON.stringify(standard.name)}`,
  );
}
