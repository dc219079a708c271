import { topicFault } from "../../core/topic-name.js";

/** Names of channels, which also have to be valid topics. */
const NAME = /^\w[\w.-]*$/;

export function isWebrocketChannel(name: string): boolean {
  return NAME.test(name) && topicFault(name) === undefined;
}

/** Whether clients of a channel receive joins and leaves of other clients. */
export function hasMembers(channel: string): boolean {
  return channel.startsWith("presence-");
}

/** Whether clients of a channel receive their own user. */
export function isPrivate(channel: string): boolean {
  return channel.startsWith("private-") || hasMembers(channel);
}
