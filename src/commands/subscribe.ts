import type { EncodedFrames } from "../core/replay-batches.js";
import type { Session } from "../core/session.js";
import { CarillonError } from "../errors.js";
import type { JoinedReplay, ReplayRequest } from "./command.js";
import type { CommandContext } from "./command-context.js";
import { checkPlace } from "./join-topics.js";
import {
  encodeReplays,
  type PreparedReplays,
  prepareReplays,
  sendReplays,
  settleLogs,
  takeReplays,
} from "./replays.js";

/** Topics that a session without a client subscribes to, such as the stream of a backend. */
export interface SubscriptionEntry {
  /** "" for the vhost's default. */
  readonly broker: string;
  readonly topics: ReadonlySet<string>;
  readonly replay: ReplayRequest;
  /** Called in the turn in which the memberships begin, before anything is delivered. */
  readonly onJoined: (replays: ReadonlyMap<string, JoinedReplay>) => void;
}

/** Parts of the node that a backend's subscription needs. */
export type SubscriptionContext = Pick<
  CommandContext,
  "brokers" | "fanOut" | "hub" | "index" | "interest" | "recoveries" | "replayLimits" | "topicsPerConnection"
>;

/**
 * Adds a session to all of the topics or none (O4), when the broker has confirmed the interest (O2). The session is in no topic
 * yet, and the caller has checked its rights. If the session ends meanwhile, it enters no topic.
 * @throws CarillonError not_found, unavailable, resource_exhausted, permission_denied (the broker's refusal)
 */
export async function subscribe(
  session: Session,
  { broker: name, onJoined, replay, topics: names }: SubscriptionEntry,
  context: SubscriptionContext,
): Promise<void> {
  const { brokers, hub, index, interest, topicsPerConnection } = context;
  const broker = brokers.resolve(session.vhost, name);
  if (!broker.driver.up)
    throw new CarillonError("unavailable", `broker ${JSON.stringify(broker.name)} is not connected`);
  const limit = topicsPerConnection(session.vhost);
  if (names.size > limit) throw new CarillonError("resource_exhausted", `${names.size} topics, the limit is ${limit}`);
  const topics = [...names].map((topic) => index.findOrAdd(session.vhost, broker.name, topic));
  const release = (): void => {
    for (const topic of topics) interest.release(topic);
  };
  for (const topic of topics) interest.hold(topic, broker.driver);
  let prepared: PreparedReplays;
  let frames: EncodedFrames;
  try {
    await broker.driver.settle();
    await settleLogs(topics);
    prepared = await prepareReplays(topics, replay, context);
    frames = await encodeReplays(session, prepared, context);
    for (const topic of topics) checkPlace(topic);
  } catch (error) {
    release();
    throw error;
  }
  if (!session.open) {
    release();
    return;
  }
  const { replays, results } = takeReplays(session, prepared, replay, context);
  onJoined(results);
  for (const topic of topics) hub.join(session, topic);
  sendReplays(session, replays, topics, frames, context);
}
