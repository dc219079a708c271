import type { Client, RequestOptions, Topic } from "./index.js";

/** Connection that is in a topic. */
export interface Member {
  readonly connection: string;
  /** "" for an anonymous client. */
  readonly user: string;
  /** Information in the user's token, or from the backend. */
  readonly info: Readonly<Record<string, unknown>>;
}

/** Members of a topic. */
export interface Presence {
  /** All members, also those that are not listed. */
  readonly count: number;
  /** By connection. At most 1,000 when the list begins. */
  readonly members: readonly Member[];
  /** Whether there are members that are not listed. */
  readonly more: boolean;
  /** Since the value before; empty in the first value of a connection. */
  readonly joined: readonly Member[];
  readonly left: readonly Pick<Member, "connection" | "user">[];
}

interface Change {
  readonly topic: string;
  readonly count: number;
  readonly more?: boolean;
  readonly members?: readonly Member[];
  readonly joined?: readonly Member[];
  readonly left?: readonly Member[];
}

/** Topic of any type. */
interface WatchedTopic extends Pick<Topic<unknown>, "client" | "name"> {
  on(event: "joined" | "message", listener: () => void): () => void;
}

/** Returns the members once. @throws ClientError */
export async function readPresence(
  { client, name }: Pick<WatchedTopic, "client" | "name">,
  options: RequestOptions = {},
): Promise<Pick<Presence, "count" | "members" | "more">> {
  const answer = await client.request({ command: "presence", topics: [name] }, { ...options, repeat: true });
  const { count, members = [], more = false } = answer.payload as Change;
  return { count, members, more };
}

/** Number of watchers by topic. The last one ends the changes. */
const watchers = new WeakMap<Client, Map<string, number>>();

/**
 * Subscribes to a topic and the changes of its members. The listener gets all members after each connect and each change.
 * @param onEnd - receives why the members are not visible, or no longer, until the next connect
 * @returns a function that ends this
 */
export function watchPresence(
  topic: WatchedTopic,
  listener: (presence: Presence) => void,
  onEnd: (error: Error) => void = (error) => topic.client.report(error),
): () => void {
  const { client, name } = topic;
  const members = new Map<string, Member>();
  let more = false;
  /** Counts joins, so that the answers of an earlier one are ignored. */
  let round = 0;
  /** Round of the list. Changes before it are relative to an earlier one. */
  let listedRound: number;

  const show = (count: number, joined: readonly Member[], left: Presence["left"]): void => {
    try {
      listener({ count, members: [...members.values()], more, joined, left });
    } catch (error) {
      client.report(error);
    }
  };
  const end = (error: Error): void => {
    round += 1;
    onEnd(error);
  };
  const list = (): void => {
    const current = (round += 1);
    const check = (error?: Error): boolean => {
      const isCurrent = current === round;
      // After a lost connection there is another round.
      if (error && isCurrent && client.state.status === "connected") end(error);
      return isCurrent && !error;
    };
    client.send({ command: "join", topics: [name], presence: true }, {}, check);
    client.send({ command: "presence", topics: [name] }, {}, (error, { payload }) => {
      if (!check(error)) return;
      const { count, members: listed = [], more: isLong = false } = payload as Change;
      members.clear();
      for (const member of listed) members.set(member.connection, member);
      more = isLong;
      listedRound = round;
      show(count, [], []);
    });
  };
  const counts = watchers.get(client) ?? new Map<string, number>();
  watchers.set(client, counts);
  const count = (step: number): number => {
    const sum = (counts.get(name) ?? 0) + step;
    counts.set(name, sum);
    return sum;
  };
  count(1);
  const stops = [
    topic.on("joined", list),
    // Keeps the subscription.
    topic.on("message", () => {}),
    client.on("notice", ({ payload, topic: kind }) => {
      if (kind === "#presence" && (payload as string[]).includes(name)) end(new Error("the members are not visible"));
      if (kind !== "@presence" || listedRound !== round || (payload as Change).topic !== name) return;
      const { count: sum, joined = [], left = [] } = payload as Change;
      for (const { connection } of left) members.delete(connection);
      for (const member of joined) members.set(member.connection, member);
      show(sum, joined, left);
    }),
  ];
  // The event came before this watcher where the topic was in use already.
  if (round === 0 && client.subscriptions.find(name)?.status === "joined") list();
  return () => {
    if (!stops[0]) return;
    round += 1;
    for (const stop of stops.splice(0)) stop();
    client.after(0, () => {
      // Others may stay in the topic.
      if (count(-1) > 0 || client.subscriptions.find(name)?.status !== "joined") return;
      client.send({ command: "join", topics: [name], presence: false }, {}, () => {});
    });
  };
}
