import type { Client } from "./client.js";
import { type ClientError, isTemporary } from "./errors.js";
import type { Frame, JoinOutcome, TopicOptions } from "./types.js";

/** Receives the messages of a topic. */
export interface Receiver {
  joined(outcome: JoinOutcome): void;
  receive(frame: Frame): void;
  /** Messages that the server has dropped here. */
  lagged(missed: number): void;
  /** The server has removed the client from the topic. */
  left(): void;
  /** The join was refused, or the client has stopped or was closed. */
  failed(error: Error): void;
}

type JoinOptions = Pick<TopicOptions<never, never>, "auth" | "hidden">;

interface Subscription {
  readonly auth: JoinOptions["auth"];
  readonly hidden: boolean | undefined;
  readonly topic: string;
  readonly receivers: Set<Receiver>;
  /** `out`: refused, or removed by the server. It is tried again with the next connection, token or receiver. */
  status: "idle" | "joining" | "joined" | "out";
  /** Whether there was a join since the first receiver. */
  wasJoined?: boolean;
  /** Position of the last message, or of the join. */
  position?: string | undefined;
  failures: number;
  /** Cancels the next attempt. */
  cancel: () => void;
}

/** Subscribed topics. All receivers of a topic share one membership, which is restored after each connect. */
export interface Subscriptions {
  find(topic: string): Readonly<Pick<Subscription, "position" | "status">> | undefined;
  /** Adds a receiver. @returns a function that removes it; the topic is left unless another one comes until the next tick */
  add(topic: string, receiver: Receiver, options: JoinOptions): () => void;
  /** Joins all topics on a fresh connection. */
  connected(): void;
  /** Takes note that the connection has ended. @param final - the error, if there will be no other connection */
  lost(final: Error | false): void;
  /** Takes a message. */
  receive(frame: Frame): void;
  lagged(topics: readonly string[], missed: number): void;
  /** Takes note that the server has removed the client from topics. */
  left(topics: readonly string[]): void;
  /** Tries topics again that were refused or left. @param names - default: all */
  retry(names?: Iterable<string>): void;
}

/** Creates the subscriptions of a client. */
export function createSubscriptions(client: Client): Subscriptions {
  const topics = new Map<string, Subscription>();
  /** Counts connections, so that answers on an earlier one are ignored. */
  let connection = 0;
  let isJoinPlanned = false;

  const each = (names: Iterable<string>, call: (subscription: Subscription) => void): void => {
    for (const name of names) {
      const subscription = topics.get(name);
      if (subscription) call(subscription);
    }
  };
  const tell = ({ receivers }: Subscription, call: (receiver: Receiver) => void): void => [...receivers].forEach(call);
  const sendLeave = (topic: string): void => client.send({ command: "leave", topics: [topic] }, {}, () => {});

  const joined = (subscription: Subscription, { positions, reasons, recovered }: Frame): void => {
    const { topic, wasJoined } = subscription;
    const isRecovered = recovered?.[topic] ?? false;
    // After a recovery the position advances with the messages that follow the answer.
    if (!isRecovered) subscription.position = positions?.[topic];
    const { position } = subscription;
    const reason = isRecovered ? undefined : (reasons?.[topic] ?? (wasJoined ? "no_position" : "first"));
    subscription.status = "joined";
    subscription.wasJoined = true;
    subscription.failures = 0;
    tell(subscription, (receiver) => receiver.joined({ recovered: isRecovered, reason, position } as JoinOutcome));
  };

  const refused = (subscription: Subscription, error: Error): void => {
    // A callback may throw anything.
    const code = (error as Partial<ClientError> | null | undefined)?.code;
    // The client may be in the topic by an answer that came too late, or by the backend. To recover, it leaves first.
    if (code === "already_exists" || code === "deadline_exceeded") sendLeave(subscription.topic);
    if (code === "already_exists") {
      void joinAlone(subscription);
    } else if (isTemporary(error)) {
      subscription.cancel = client.backOff(subscription.failures, () => {
        subscription.status = "idle";
        join();
      });
      subscription.failures += 1;
    } else {
      subscription.status = "out";
      tell(subscription, (receiver) => receiver.failed(error));
    }
  };

  const joinAll = (subscriptions: readonly Subscription[], options?: object): void => {
    const current = connection;
    for (const subscription of subscriptions) subscription.status = "joining";
    const names = subscriptions.map(({ topic }) => topic);
    client.send({ command: "join", topics: names, ...options }, {}, (error, answer) => {
      if (current !== connection) return;
      for (const subscription of subscriptions) {
        // A join is all or nothing, and one topic may be the cause of the refusal.
        if (error && names[1] && !isTemporary(error)) void joinAlone(subscription);
        else if (error) refused(subscription, error);
        else joined(subscription, answer);
      }
    });
  };

  const joinAlone = async (subscription: Subscription): Promise<void> => {
    const { hidden, position, topic } = subscription;
    const current = connection;
    subscription.status = "joining";
    try {
      const auth = await subscription.auth?.();
      if (current !== connection || topics.get(topic) !== subscription) return;
      joinAll([subscription], { auth, hidden, recover: position && { [topic]: position } });
    } catch (error) {
      if (current === connection) refused(subscription, error as Error);
    }
  };

  const join = (): void => {
    isJoinPlanned = false;
    if (client.state.status !== "connected") return;
    const together: Subscription[] = [];
    for (const subscription of topics.values()) {
      const { auth, hidden, position, status, topic } = subscription;
      if (status !== "idle") continue;
      // Messages for a user or a connection come without a join.
      if (isPersonal(topic)) joined(subscription, { topic });
      // Alone, because the limits of recovered messages are those of one join.
      else if (position || auth || hidden) void joinAlone(subscription);
      else together.push(subscription);
    }
    if (together[0]) joinAll(together);
  };

  const retry = (names: Iterable<string> = topics.keys()): void => {
    each(names, (subscription) => {
      if (subscription.status === "out") subscription.status = "idle";
    });
    // Topics of one turn share a command.
    if (!isJoinPlanned) queueMicrotask(join);
    isJoinPlanned = true;
  };

  return {
    find: (topic) => topics.get(topic),
    add(topic, receiver, { auth, hidden }) {
      const fresh = {
        auth,
        hidden,
        topic,
        receivers: new Set<Receiver>(),
        status: "idle",
        failures: 0,
        cancel() {},
      } as const;
      const subscription: Subscription = topics.get(topic) ?? fresh;
      const { receivers } = subscription;
      topics.set(topic, subscription);
      receivers.add(receiver);
      retry([topic]);
      return () => {
        receivers.delete(receiver);
        client.after(0, () => {
          if (receivers.size > 0 || topics.get(topic) !== subscription) return;
          subscription.cancel();
          topics.delete(topic);
          if (subscription.status !== "idle" && !isPersonal(topic)) sendLeave(topic);
        });
      };
    },
    connected: join,
    lost(final) {
      connection += 1;
      for (const subscription of topics.values()) {
        subscription.status = "idle";
        subscription.cancel();
        if (final) tell(subscription, (receiver) => receiver.failed(final));
      }
    },
    receive(frame) {
      each([frame.topic], (subscription) => {
        // Messages before the answer to the join belong to an earlier membership.
        if (subscription.status !== "joined") return;
        subscription.position = frame.position ?? subscription.position;
        tell(subscription, (receiver) => receiver.receive(frame));
      });
    },
    lagged(names, missed) {
      each(names, (subscription) => tell(subscription, (receiver) => receiver.lagged(missed)));
    },
    left(names) {
      each(names, (subscription) => {
        subscription.status = "out";
        tell(subscription, (receiver) => receiver.left());
      });
    },
    retry,
  };
}

function isPersonal(topic: string): boolean {
  return topic[0] === "$";
}
