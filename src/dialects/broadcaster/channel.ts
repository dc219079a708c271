/**
 * The expression of broadcaster's own names, `^([\w-]+:?)*\w$`, written so that there is one way only to match a name:
 * that one takes twice as long for each further character of a name that is none.
 */
const CHANNEL = /^[\w-]+(?::[\w-]+)*(?<!-)$/;

/** As topics, in bytes; names are ASCII. */
const MAX_CHANNEL_BYTES = 255;

/** Whether broadcaster's clients can name it. */
export function isBroadcasterChannel(name: string): boolean {
  return name.length <= MAX_CHANNEL_BYTES && CHANNEL.test(name);
}
