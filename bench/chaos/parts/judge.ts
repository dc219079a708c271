import type { Journal, Run } from "./journal.js";

/** Faults of the lists of all clients. All must be 0. */
export interface Verdict {
  /** Stored messages that a client should have received and has not. */
  lost: number;
  duplicated: number;
  misordered: number;
  /** Recoveries that were confirmed although messages are missing after them. */
  falselyRecovered: number;
  /**
   * Messages received again after a join that recovered nothing: the store did not answer, or the client is a plain one, which
   * has no positions. The client then continues with a node that may be behind the one it came from, so these are no faults.
   */
  repeatedUnrecovered: number;
  /** Received messages that are not stored. */
  unknown: number;
}

/** Messages that clients should have received on a topic. */
export interface Judged {
  readonly topic: string;
  /** Stored messages, oldest first. */
  readonly stored: readonly string[];
  /** Position of a stored message in that list, by its text. */
  readonly numbers: ReadonlyMap<string, number>;
  /** Finds the message at a position; undefined for the position of a topic without messages. */
  readonly messageAt: (position: string) => string | undefined;
  /** Whether nothing has been removed from the topic, so that the position of an empty topic comes before all messages. */
  readonly isComplete: boolean;
  readonly explain: (text: string) => void;
}

/** Compares what a client received on a topic with what is stored. */
export function judge({ runs }: Journal, judged: Judged, verdict: Verdict): void {
  const seen = new Set<string>();
  for (const run of runs) judgeRun(run, judged, verdict, seen);
}

/** @param seen - messages of earlier runs; those of this run are added */
function judgeRun(run: Run, judged: Judged, verdict: Verdict, seen: Set<string>): void {
  const { explain, numbers, stored, topic } = judged;
  const recoveries = new Set(run.recoveries);
  const own = new Set<string>();
  let next = startOf(run, judged);
  const miss = (count: number, position: number): void => {
    const isFalse = recoveries.has(position);
    verdict.lost += count;
    if (isFalse) verdict.falselyRecovered += 1;
    explain(`${topic}: ${count} lost before ${run.messages[position] ?? "the end"}${isFalse ? ", as recovered" : ""}`);
  };
  for (const [position, message] of run.messages.entries()) {
    const number = numbers.get(message);
    if (number === undefined) {
      verdict.unknown += 1;
      explain(`${topic}: ${message} is not stored`);
    } else if (own.has(message)) {
      verdict.duplicated += 1;
      explain(`${topic}: ${message} came twice`);
    } else if (next !== undefined && number < next) {
      verdict.misordered += 1;
      explain(`${topic}: ${message} came late`);
    } else {
      if (seen.has(message)) countAgain(run, message, judged, verdict);
      if (next !== undefined && number > next) miss(number - next, position);
      next = number + 1;
    }
    own.add(message);
  }
  if (!run.ended && next !== undefined && next < stored.length) miss(stored.length - next, run.messages.length);
  for (const message of own) seen.add(message);
}

/** Counts a message that the client has received in an earlier run. */
function countAgain({ from, refusal }: Run, message: string, { explain, topic }: Judged, verdict: Verdict): void {
  if (refusal === "unavailable" || (refusal === undefined && from === undefined)) {
    verdict.repeatedUnrecovered += 1;
  } else {
    verdict.duplicated += 1;
    explain(`${topic}: ${message} came again after a new join${refusal === undefined ? "" : ` (${refusal})`}`);
  }
}

/** Returns the number of the first message that a run must have; undefined if its position does not tell. */
function startOf({ from }: Run, { isComplete, messageAt, numbers }: Judged): number | undefined {
  if (from === undefined) return undefined;
  const message = messageAt(from);
  if (message === undefined) return isComplete ? 0 : undefined;
  const number = numbers.get(message);
  return number === undefined ? undefined : number + 1;
}
