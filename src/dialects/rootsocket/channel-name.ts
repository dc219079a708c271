/** Names of the protocol's own events. Source: rootsocket's sheet. */
const RESERVED: ReadonlySet<string> = new Set([
  "ping",
  "pong",
  "subscription-add",
  "subscription-remove",
  "disconnect",
  "error",
]);

/** Names of channels. Source: rootsocket's sheet, which also allows an empty name. */
const CHANNEL = /^[a-zA-Z0-9.]{1,100}$/;

export function isReserved(event: string): boolean {
  return RESERVED.has(event);
}

/** Returns the problem of a channel's name as the predicate of a sentence; undefined for a valid name. */
export function channelProblem(channel: string): string | undefined {
  if (channel === "") return "is empty";
  if (isReserved(channel)) return "is reserved: it is an event type";
  return CHANNEL.test(channel) ? undefined : "is not 1 to 100 letters, digits and dots";
}
