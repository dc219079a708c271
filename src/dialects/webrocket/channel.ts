import { topicProblem } from "../../core/topic-name.js";

/** Names of channels, which must also be valid topics. */
const NAME = /^\w[\w.-]*$/;

export function isWebrocketChannel(name: string): boolean {
  return NAME.test(name) && topicProblem(name) === undefined;
}

/** Returns whether clients of a channel receive joins and leaves of other clients. */
export function isPresenceChannel(channel: string): boolean {
  return channel.startsWith("presence-");
}

/** Returns whether the answer to a subscription tells the client its own user. */
export function isPrivate(channel: string): boolean {
  return channel.startsWith("private-") || isPresenceChannel(channel);
}
