/**
 * A payload of the benchmarks: a mark, a number that counts the messages of its topic, the topic's number, the time
 * when it was made, and filling. All have fixed places, so that a receiver finds them without parsing.
 */
export const MARK = "#";
export const NUMBER_DIGITS = 10;
export const TOPIC_DIGITS = 6;
export const TIME_DIGITS = 15;

/** Microseconds of a clock that all processes of this machine share. */
export function microseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + Math.floor(nanoseconds / 1e3);
}

/** @param size - bytes, enough for the mark and all digits */
export function payload(topic: number, number: number, size: number): string {
  const digits =
    String(number).padStart(NUMBER_DIGITS, "0") +
    String(topic).padStart(TOPIC_DIGITS, "0") +
    String(microseconds()).padStart(TIME_DIGITS, "0");
  return `${MARK}${digits}`.padEnd(size, "x");
}

/** The name of a topic by its number. */
export function topicName(topic: number): string {
  return `t${topic}`;
}

/** What a client sends to join topics; the peers understand it too. */
export function joinText(topics: readonly number[]): string {
  return JSON.stringify({ command: "join", topics: topics.map(topicName) });
}
