/** What the protocol calls events of its own. Source: rootsocket's sheet. */
const RESERVED: ReadonlySet<string> = new Set([
  "ping",
  "pong",
  "subscription-add",
  "subscription-remove",
  "disconnect",
  "error",
]);

/** Source: rootsocket's sheet, which allows an empty name: there is nothing to be addressed by it. */
const CHANNEL = /^[a-zA-Z0-9.]{1,100}$/;

export function isReserved(event: string): boolean {
  return RESERVED.has(event);
}

/** What is wrong with a channel's name, to be put after it; undefined for a good one. */
export function channelFault(channel: string): string | undefined {
  if (channel === "") return "is empty";
  if (isReserved(channel)) return "is reserved: it is a type of event";
  return CHANNEL.test(channel) ? undefined : "is not 1 to 100 letters, digits and dots";
}
