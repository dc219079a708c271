import type { Backend } from "../../../access/keys/backend.js";
import { checkSteps, runInTurns, TURN_STEPS } from "../../../access/patterns/match-ahead.js";
import { matchSteps } from "../../../access/patterns/match-steps.js";
import type { HistoryClass, HistoryFinder } from "../../../core/history.js";
import type { Source } from "../../../core/publishing/publication-draft.js";
import { CarillonError } from "../../../errors.js";
import type { PublishMessage, PublishRequest } from "./publish-request.js";

/** Bytes in memory of a name and of a message, in addition to their text and payload. */
const NAME_BYTES = 32;
const MESSAGE_BYTES = 256;

/** Maximum number of bytes of requests pending a check, for all vhosts together and for one. */
const MAX_PENDING_BYTES = 64 << 20;
const MAX_PENDING_BYTES_OF_VHOST = MAX_PENDING_BYTES / 2;

/** Milliseconds after which a refused caller may retry. */
const RETRY_DELAY = 1_000;

/**
 * Bounds the requests that are being checked in several turns of the event loop. They have been received completely, so no
 * port counts them any more.
 */
class PendingChecks {
  readonly #byVhost = new Map<string, number>();
  #bytes = 0;

  /** Counts a request while it is checked. @throws CarillonError resource_exhausted, and errors of the check */
  async count<Result>(vhost: string, bytes: number, check: () => Promise<Result>): Promise<Result> {
    const ofVhost = (this.#byVhost.get(vhost) ?? 0) + bytes;
    // One request is always allowed.
    if (this.#bytes > 0 && (ofVhost > MAX_PENDING_BYTES_OF_VHOST || this.#bytes + bytes > MAX_PENDING_BYTES)) {
      const text = "too many requests are waiting for pattern matching: try again later";
      throw new CarillonError("resource_exhausted", text, { retryDelay: RETRY_DELAY });
    }
    this.#add(vhost, bytes);
    try {
      return await check();
    } finally {
      this.#add(vhost, -bytes);
    }
  }

  #add(vhost: string, bytes: number): void {
    const ofVhost = (this.#byVhost.get(vhost) ?? 0) + bytes;
    if (ofVhost === 0) this.#byVhost.delete(vhost);
    else this.#byVhost.set(vhost, ofVhost);
    this.#bytes += bytes;
  }
}

/** Bound shared by all backends, like the turns in which they are checked. */
const pending = new PendingChecks();

/** Creates the source of a backend's messages. The publisher matches each topic against the backend's patterns. */
export function createSource(backend: Backend): Source {
  return { ...CHECKED, vhost: backend.vhost, refusal: (topic) => findRefusal(backend, topic) };
}

/** Source whose topics have already been checked. */
const CHECKED = { kind: "backend", sender: "", skipsEmptyTopics: true, refusal: () => undefined } as const;

/**
 * Matches a request's topics against the backend's patterns and finds their history classes, if that takes more than one turn
 * of the event loop.
 * @param history - finder of the vhost; undefined if no topic has a history
 * @returns a source whose topics have been checked; undefined if the publisher can check them
 * @throws CarillonError permission_denied; resource_exhausted: the check would take too long, or too many are pending
 */
export function checkAhead(
  { messages }: PublishRequest,
  backend: Backend,
  history: HistoryFinder | undefined,
): Promise<Source> | undefined {
  const { vhost } = backend;
  if (backend.matchers.weight === 0 && history === undefined) return undefined;
  let steps = 0;
  for (const { topics } of messages) for (const topic of topics) steps += countSteps(topic, backend, history);
  if (steps <= TURN_STEPS) return undefined;
  checkSteps(steps);
  return pending.count(vhost, sizeOf(messages), () => runInTurns(vhost, checkInSteps(messages, backend, history)));
}

function countSteps(topic: string, { matchers }: Backend, history: HistoryFinder | undefined): number {
  return matchSteps(matchers.weight, topic) + (history?.steps(topic) ?? 0);
}

/** Bytes in memory. Text counts one byte per UTF-16 unit. */
function sizeOf(messages: readonly PublishMessage[]): number {
  let bytes = 0;
  for (const { payload, text, topics } of messages) {
    bytes += MESSAGE_BYTES + payload.length + text.length;
    for (const topic of topics) bytes += NAME_BYTES + topic.length;
  }
  return bytes;
}

function* checkInSteps(
  messages: readonly PublishMessage[],
  backend: Backend,
  history: HistoryFinder | undefined,
): Generator<number, Source> {
  const classes = new Map<string, HistoryClass>();
  for (const [position, { topics }] of messages.entries()) {
    for (const topic of topics) {
      if (topic === "") continue;
      const refusal = findRefusal(backend, topic);
      if (refusal !== undefined) throw new CarillonError(refusal.code, `messages[${position}].${refusal.message}`);
      const found = history?.find(topic);
      if (found !== undefined) classes.set(topic, found);
      yield countSteps(topic, backend, history);
    }
  }
  return { ...CHECKED, vhost: backend.vhost, findHistory: history && ((topic) => classes.get(topic)) };
}

function findRefusal(backend: Backend, topic: string): CarillonError | undefined {
  if (backend.mayUse(topic)) return undefined;
  const text = `topics: key ${JSON.stringify(backend.name)} is not permitted to use topic ${JSON.stringify(topic)}`;
  return new CarillonError("permission_denied", text);
}
