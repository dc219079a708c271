import type { Backend } from "../../../access/keys/backend.js";
import { checkSteps, runInTurns, TURN_STEPS } from "../../../access/patterns/match-ahead.js";
import { matchSteps } from "../../../access/patterns/match-steps.js";
import type { Source } from "../../../core/publisher.js";
import { CarillonError } from "../../../errors.js";
import type { PublishMessage, PublishRequest } from "./broadcast-codec.js";

/** Bytes in memory of a name and of a message, in addition to their text and payload. */
const NAME_BYTES = 32;
const MESSAGE_BYTES = 256;

/** Largest number of bytes of requests pending a check, for all vhosts together and for one. */
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

/** Returns whether any request of the backend may take more than one turn of the event loop to check. */
export function mayNeedCheckAhead({ matchers }: Backend): boolean {
  return matchers.weight > 0;
}

/**
 * Matches a request's topics against the backend's patterns, if that takes more than one turn of the event loop.
 * @returns a source whose topics have been checked; undefined if the publisher can check them
 * @throws CarillonError permission_denied; resource_exhausted: the check would take too long, or too many are pending
 */
export function checkAhead({ messages }: PublishRequest, backend: Backend): Promise<Source> | undefined {
  const { matchers, vhost } = backend;
  if (!mayNeedCheckAhead(backend)) return undefined;
  let steps = 0;
  for (const { topics } of messages) for (const topic of topics) steps += matchSteps(matchers.weight, topic);
  if (steps <= TURN_STEPS) return undefined;
  checkSteps(steps);
  return pending.count(vhost, sizeOf(messages), () => runInTurns(vhost, checkInSteps(messages, backend)));
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

function* checkInSteps(messages: readonly PublishMessage[], backend: Backend): Generator<number, Source> {
  for (const [position, { topics }] of messages.entries()) {
    for (const topic of topics) {
      if (topic === "") continue;
      const refusal = findRefusal(backend, topic);
      if (refusal !== undefined) throw new CarillonError(refusal.code, `messages[${position}].${refusal.message}`);
      yield matchSteps(backend.matchers.weight, topic);
    }
  }
  return { ...CHECKED, vhost: backend.vhost };
}

function findRefusal(backend: Backend, topic: string): CarillonError | undefined {
  if (backend.mayUse(topic)) return undefined;
  const text = `topics: key ${JSON.stringify(backend.name)} is not permitted to use topic ${JSON.stringify(topic)}`;
  return new CarillonError("permission_denied", text);
}
