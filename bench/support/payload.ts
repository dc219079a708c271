/**
 * Layout of a payload: a mark, the number of the message in its topic, the number of the topic, the creation time, and
 * padding. All fields have fixed offsets, so that a receiver finds them without parsing.
 */
export const MARK = "#";
export const NUMBER_DIGITS = 10;
export const TOPIC_DIGITS = 6;
export const TIME_DIGITS = 15;

/** Returns the time of a clock that all processes of this machine share, in microseconds. */
export function microseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + Math.floor(nanoseconds / 1e3);
}

/** @param size - in bytes, at least the mark and all digits */
export function createPayload(topic: number, number: number, size: number): string {
  const digits =
    String(number).padStart(NUMBER_DIGITS, "0") +
    String(topic).padStart(TOPIC_DIGITS, "0") +
    String(microseconds()).padStart(TIME_DIGITS, "0");
  return `${MARK}${digits}`.padEnd(size, "x");
}

/** Returns the name of a topic, by its number. */
export function topicName(topic: number): string {
  return `t${topic}`;
}

/** Creates a join command, which the servers for comparison also understand. */
export function joinText(topics: readonly number[]): string {
  return JSON.stringify({ command: "join", topics: topics.map(topicName) });
}
