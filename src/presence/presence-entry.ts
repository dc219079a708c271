import type { Member, TopicAddress } from "./presence.js";

/** A member of a place that is not hidden, as nodes tell each other of it. */
export type PresenceEntry = {
  /** The count of the change that brought it: grows with each that the node adds. */
  readonly id: number;
  /** Of the place. */
  readonly key: string;
  readonly member: Member;
};

/** Names of vhosts, brokers and topics have no line ends. */
export function presenceEntryKey({ broker, topic, vhost }: TopicAddress): string {
  return `${vhost}\n${broker}\n${topic}`;
}

/** Whether it is the same user, of whom the same is known. */
export function isSameUser(a: Member, b: Member): boolean {
  return a.user === b.user && a.info === b.info;
}
