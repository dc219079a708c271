import type { Backend } from "../../../access/keys/backend.js";
import { checkSteps, runInTurns, TURN_STEPS } from "../../../access/patterns/match-ahead.js";
import { matchSteps } from "../../../access/patterns/match-steps.js";
import type { Source } from "../../../core/publisher.js";
import { CarillonError } from "../../../errors.js";
import type { PublishMessage, PublishRequest } from "./broadcast-codec.js";
import { UncheckedBytes } from "./unchecked-bytes.js";

/** Bytes that a name or a message takes besides its own. */
const NAME_BYTES = 32;
const MESSAGE_BYTES = 256;

/** Shared by all backends of the process, as the turns in which they are checked are. */
const unchecked = new UncheckedBytes();

/** A backend as the publisher asks about it: each topic is held against its patterns. */
export function createSource(backend: Backend): Source {
  return { ...CHECKED, vhost: backend.vhost, refusal: (topic) => refusalOf(backend, topic) };
}

/** Topics have been checked. */
const CHECKED = { kind: "backend", sender: "", skipsEmptyTopics: true, refusal: () => undefined } as const;

/**
 * Holds a request's topics against the backend's patterns, where that takes more than a turn of the event loop.
 * @returns a source that has been checked; undefined where it can be checked at once
 * @throws CarillonError permission_denied; resource_exhausted: it would take too long, or too many wait
 */
export function checkAhead({ messages }: PublishRequest, backend: Backend): Promise<Source> | undefined {
  const { matchers, vhost } = backend;
  if (matchers.weight === 0) return undefined;
  let steps = 0;
  for (const { topics } of messages) for (const topic of topics) steps += matchSteps(matchers.weight, topic);
  if (steps <= TURN_STEPS) return undefined;
  checkSteps(steps);
  return unchecked.hold(vhost, sizeOf(messages), () => runInTurns(vhost, checkInParts(messages, backend)));
}

/** Bytes in memory. Text counts one byte a UTF-16 unit. */
function sizeOf(messages: readonly PublishMessage[]): number {
  let bytes = 0;
  for (const { payload, text, topics } of messages) {
    bytes += MESSAGE_BYTES + payload.length + text.length;
    for (const topic of topics) bytes += NAME_BYTES + topic.length;
  }
  return bytes;
}

function* checkInParts(messages: readonly PublishMessage[], backend: Backend): Generator<number, Source> {
  for (const [position, { topics }] of messages.entries()) {
    for (const topic of topics) {
      if (topic === "") continue;
      const refusal = refusalOf(backend, topic);
      if (refusal !== undefined) throw new CarillonError(refusal.code, `messages[${position}].${refusal.message}`);
      yield matchSteps(backend.matchers.weight, topic);
    }
  }
  return { ...CHECKED, vhost: backend.vhost };
}

function refusalOf(backend: Backend, topic: string): CarillonError | undefined {
  if (backend.mayUse(topic)) return undefined;
  const text = `topics: key ${JSON.stringify(backend.name)} may not use topic ${JSON.stringify(topic)}`;
  return new CarillonError("permission_denied", text);
}
