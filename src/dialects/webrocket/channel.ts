import { topicFault } from "../../core/topic-name.js";

/** What a channel may be called; and as any topic. */
const NAME = /^\w[\w.-]*$/;

export function isWebrocketChannel(name: string): boolean {
  return NAME.test(name) && topicFault(name) === undefined;
}

/** Whether clients are told who comes and goes. */
export function hasMembers(channel: string): boolean {
  return channel.startsWith("presence-");
}

/** Whether those who are in it are told as whom. */
export function isPrivate(channel: string): boolean {
  return channel.startsWith("private-") || hasMembers(channel);
}
