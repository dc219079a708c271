import type { Client } from "../clients/client.js";
import type { EncodedFrames } from "../core/replay-batches.js";
import type { Session } from "../core/session.js";
import type { Topic } from "../core/topic.js";
import { CarillonError } from "../errors.js";
import { throwIfRefused } from "./checks.js";
import type { JoinedReplay, ReplayRequest } from "./command.js";
import type { CommandContext } from "./command-context.js";
import {
  encodeReplays,
  type PreparedReplays,
  prepareReplays,
  sendReplays,
  settleLogs,
  takeReplays,
} from "./replays.js";
import type { JoinPreferences } from "./state/attendance.js";

/** Topics that a client enters, by its own join or on its behalf. */
export interface JoinEntry {
  /** "" for the vhost's default. */
  readonly broker: string;
  readonly topics: ReadonlySet<string>;
  /**
   * Returns the error where the client may not be in a topic. Called after the broker has confirmed the interest, because rules
   * may have changed and channels may have been closed meanwhile.
   */
  readonly refusal: (topic: string) => CarillonError | undefined;
  /** Prepares `refusal`. Where this is undefined or returns undefined, `refusal` can be called at once. */
  readonly ahead?: () => Promise<void> | undefined;
  /** Exclusive group of the join. */
  readonly group?: string | undefined;
  readonly preferences?: JoinPreferences;
  /** Stored messages to send before the live ones. Topics that the client is in already have none. */
  readonly replay?: ReplayRequest | undefined;
  /** Whether to refuse the join (failed_precondition) if a topic cannot be recovered. The join must have no group. */
  readonly recoverAll?: boolean;
  /**
   * Called in the turn in which the memberships begin, after the broker has confirmed and before anything is delivered.
   * @param left - topics of the group that the session has left
   * @param replays - replays of the topics with history; undefined if none were requested
   */
  readonly onJoined: (left: readonly string[], replays: ReadonlyMap<string, JoinedReplay> | undefined) => void;
}

const NO_FRAMES: EncodedFrames = new Map();
const NO_PREFERENCES: JoinPreferences = { hidden: undefined, watching: undefined };

/**
 * Adds a client's session to all of the topics or none (O4), when the broker has confirmed the interest (O2).
 *
 * Waits for the broker even where this node has already subscribed to the topic. Messages published before the join arrive
 * during that round trip, so the new member does not receive them (O3).
 *
 * If the session ends meanwhile, it enters no topic, and `onJoined` is not called.
 * @returns the number of bytes of the replays
 * @throws CarillonError not_found, unavailable, resource_exhausted, permission_denied (the broker's refusal),
 *   failed_precondition (a failed recovery), or the error returned by `refusal`
 */
export async function joinTopics(client: Client, entry: JoinEntry, context: CommandContext): Promise<number> {
  const { broker: name, group, refusal, topics } = entry;
  const { brokers, index, interest } = context;
  const { session } = client;
  const broker = brokers.resolve(session.vhost, name);
  if (!broker.driver.up)
    throw new CarillonError("unavailable", `broker ${JSON.stringify(broker.name)} is not connected`);
  await leaveForbidden(client, broker.name, topics, context);
  const missing = [...topics].filter((topic) => {
    const known = index.find(session.vhost, broker.name, topic);
    return known === undefined || !session.memberships.has(known);
  });
  const isJoined = (topic: Topic): boolean => topic.broker === broker.name && topics.has(topic.name);
  const leaving = (): Topic[] => (group === undefined ? [] : context.groups.leaving(session, group, isJoined));
  checkNumber(session, missing.length - leaving().length, context);

  const fresh = missing.map((topic) => index.findOrAdd(session.vhost, broker.name, topic));
  for (const topic of fresh) interest.hold(topic, broker.driver);
  let prepared: PreparedReplays | undefined;
  let frames: EncodedFrames | undefined;
  try {
    await broker.driver.settle();
    await settleLogs(fresh);
    if (entry.replay !== undefined) {
      prepared = await prepareReplays(fresh, entry.replay, context);
      frames = await encodeReplays(session, prepared, context);
    }
    // The checks come last, so that nothing can change between them and the beginning of the memberships.
    const ahead = entry.ahead?.();
    if (ahead !== undefined) await ahead;
    context.review.refresh(client, fresh);
    for (const topic of topics) throwIfRefused(refusal(topic));
    for (const topic of fresh) checkPlace(topic);
  } catch (error) {
    for (const topic of fresh) interest.release(topic);
    throw error;
  }
  if (!session.open) {
    for (const topic of fresh) interest.release(topic);
    return 0;
  }
  const all = [...topics].map((topic) => index.find(session.vhost, broker.name, topic)).filter(isDefined);
  return begin(client, entry, { all, fresh, left: leaving(), prepared, frames }, context);
}

/** Topics of a join that the broker has confirmed. */
interface Begun {
  readonly all: readonly Topic[];
  /** Topics that the session was not in when the join began. */
  readonly fresh: readonly Topic[];
  /** Topics of the group to leave. */
  readonly left: readonly Topic[];
  readonly prepared: PreparedReplays | undefined;
  readonly frames: EncodedFrames | undefined;
}

/** Ends the group's old memberships, answers, and begins the new ones in one turn, so that nothing is delivered meanwhile. */
function begin(
  client: Client,
  { group, onJoined, recoverAll, replay, preferences = NO_PREFERENCES }: JoinEntry,
  { all, fresh, frames = NO_FRAMES, left, prepared }: Begun,
  context: CommandContext,
): number {
  const { attendance, groups, hub, interest, review } = context;
  const { session } = client;
  // First, so that messages that arrived before the answer are sent before it (O3).
  for (const topic of left) hub.leave(session, topic);
  const taken = replay && prepared && takeReplays(session, prepared, replay, context);
  const failure = recoverAll === true ? findFailure(taken?.results) : undefined;
  if (failure !== undefined) {
    for (const topic of fresh) interest.release(topic);
    throw failure;
  }
  session.frames?.onEntering({ all, fresh, group });
  onJoined(
    left.map(({ name }) => name),
    taken?.results,
  );
  // The backend may have joined the client to some of the topics meanwhile.
  const joined = fresh.filter((topic) => {
    const isNew = hub.join(session, topic);
    if (isNew) review.entered(client, topic);
    else interest.release(topic);
    return isNew;
  });
  const bytes = taken === undefined ? 0 : sendReplays(session, taken.replays, joined, frames, context);
  groups.joined(session, all, group, joined);
  for (const topic of all) if (session.memberships.has(topic)) attendance.entered(client, topic, preferences);
  return bytes;
}

/** Returns the error of a topic that cannot be recovered; undefined if all can. */
function findFailure(results: ReadonlyMap<string, JoinedReplay> = new Map()): CarillonError | undefined {
  for (const [topic, { failure }] of results) {
    if (failure !== undefined)
      return new CarillonError("failed_precondition", `${failure}: topic ${JSON.stringify(topic)} cannot be recovered`);
  }
  return undefined;
}

/** Ends memberships that a change of the vhost no longer allows and no review has ended yet, so that the join renews them. */
async function leaveForbidden(
  client: Client,
  broker: string,
  topics: ReadonlySet<string>,
  { index, review }: CommandContext,
): Promise<void> {
  const prepared = review.prepare(client, topics);
  if (prepared !== undefined) await prepared;
  review.settle(client, [...topics].map((topic) => index.find(client.vhost.name, broker, topic)).filter(isDefined));
}

function checkNumber(session: Session, more: number, { topicsPerConnection }: CommandContext): void {
  const limit = topicsPerConnection(session.vhost);
  const total = session.memberships.size + more;
  if (total <= limit) return;
  const text = `the connection would be in ${total} topics, the limit is ${limit}`;
  throw new CarillonError("resource_exhausted", text);
}

/** Checks whether a topic takes one more session. @throws CarillonError resource_exhausted, or the broker's refusal */
export function checkPlace(topic: Topic): void {
  if (topic.subscription?.refusal !== undefined) throw topic.subscription.refusal;
  const { maxSessions } = topic.rules;
  if (maxSessions !== Number.POSITIVE_INFINITY && topic.sessions >= maxSessions) {
    const text = `topic ${JSON.stringify(topic.name)} has reached its limit of ${maxSessions} sessions on this node`;
    throw new CarillonError("resource_exhausted", text);
  }
}

function isDefined<T>(thing: T | undefined): thing is T {
  return thing !== undefined;
}
