import type { Member, TopicAddress } from "./presence.js";

/** A visible member of a topic, in the form that nodes announce to each other. */
export type PresenceEntry = {
  /** Count of the change that added the member. Increases with each member that the node adds. */
  readonly id: number;
  /** Key of the topic. */
  readonly key: string;
  readonly member: Member;
};

/** Joins the names of a topic's address with line ends, which they cannot contain. */
export function presenceEntryKey({ broker, topic, vhost }: TopicAddress): string {
  return `${vhost}\n${broker}\n${topic}`;
}

/** Whether two members are the same user with the same information. */
export function isSameUser(a: Member, b: Member): boolean {
  return a.user === b.user && a.info === b.info;
}
