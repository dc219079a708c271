import { setImmediate } from "node:timers/promises";
import { connect } from "nats";
import type { HistoryClass, Replay, ReplayLimits, StoredMessage } from "../../../src/core/history.js";
import type { Message, Publication } from "../../../src/core/message.js";
import type { BrokerDriver, TopicSubscription } from "../../../src/core/ports.js";
import { Queue } from "../queue.js";

export const REPLAY_LIMITS: ReplayLimits = { messages: 1_000, bytes: 1 << 20 };

export function historyClass(fields: Partial<HistoryClass> = {}): HistoryClass {
  return {
    name: "chat",
    messages: 100,
    age: 60_000,
    bytes: 16 << 20,
    topicBytes: undefined,
    storage: "memory",
    replicas: 1,
    deduplication: 30_000,
    ...fields,
  };
}

let count = 0;

/** A publication with an id of its own. */
export function storedPublication(
  topic: string,
  payload: string,
  history: HistoryClass,
  fields: Partial<Message> = {},
): Publication {
  count += 1;
  const message = {
    id: `m${count}`,
    event: "",
    sender: "",
    time: Date.now(),
    payload: Buffer.from(payload),
    ...fields,
  };
  return { vhost: "/", topic, message, history };
}

/**
 * Publishes one message, and returns its receipt. A driver without a connection fails at once. Tests that publish until it succeeds
 * must leave the event loop time to connect.
 */
export async function store(driver: BrokerDriver, publication: Publication) {
  await setImmediate();
  const { stored } = await driver.publish([publication]);
  const receipt = stored.get(publication);
  if (receipt === undefined) throw new Error("not stored");
  return receipt;
}

/** A subscribed topic and the messages that it has delivered. */
export interface FollowedTopic {
  readonly subscription: TopicSubscription;
  readonly heard: Queue<Message>;
  /** Returns the payloads of the next messages. */
  next(count: number): Promise<string[]>;
  /** Recovers the messages after a position. */
  recover(position: string, limits?: ReplayLimits): Promise<Replay>;
  /** Returns the newest messages. */
  rewind(limit: number, limits?: ReplayLimits): Promise<Replay>;
}

/** Subscribes to a topic, and waits until its log is known. */
export async function follow(driver: BrokerDriver, topic: string, history: HistoryClass): Promise<FollowedTopic> {
  const heard = new Queue<Message>();
  const subscription = driver.subscribe("/", topic, { deliver: (message) => heard.push(message) }, history);
  await driver.settle();
  await subscription.log?.settle();
  const replay = async (...start: Parameters<NonNullable<TopicSubscription["log"]>["prepare"]>): Promise<Replay> => {
    await setImmediate();
    const prepared = await subscription.log?.prepare(...start);
    if (prepared === undefined) throw new Error("the topic has no log");
    return prepared.take();
  };
  return {
    subscription,
    heard,
    async next(wanted) {
      const texts: string[] = [];
      while (texts.length < wanted) texts.push(payloadText(await heard.next()));
      return texts;
    },
    recover: (position, limits = REPLAY_LIMITS) => replay({ kind: "after", position }, limits),
    rewind: (limit, limits = REPLAY_LIMITS) => replay({ kind: "latest", limit, since: undefined }, limits),
  };
}

export function payloadText({ payload }: Message): string {
  return Buffer.from(payload).toString();
}

export function textsOf(messages: readonly StoredMessage[]): string[] {
  return messages.map(payloadText);
}

/** Resolves when all messages of a class of the vhost `/` have expired. Polls with round trips. */
export async function outlive(url: string, { name }: HistoryClass): Promise<void> {
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  while ((await manager.streams.info(`carillon-history_${name}`)).state.messages > 0);
  await connection.close();
}
