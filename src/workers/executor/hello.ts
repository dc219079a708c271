import { MAX_TOTAL_WEIGHT, weightFault } from "../../access/patterns/match-steps.js";
import { patternWeight } from "../../access/patterns/pattern.js";
import { CarillonError } from "../../errors.js";
import type { WorkerHello } from "../dispatch.js";
import { MAX_CAPACITY, MAX_EVENTS, MAX_NAME_LENGTH } from "../limits.js";

/**
 * What a worker says of itself, each pattern once.
 * @throws CarillonError invalid_argument
 */
export function checkHello(hello: WorkerHello): WorkerHello {
  const { capacity, events, name } = hello;
  if (events.length === 0 || events.length > MAX_EVENTS) {
    throw refusal(`a worker takes 1 to ${MAX_EVENTS} patterns of events, not ${events.length}`);
  }
  const fault = weightFault(patternWeight(events, MAX_TOTAL_WEIGHT));
  if (fault !== undefined) throw refusal(`a worker's ${fault}`);
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > MAX_CAPACITY) {
    throw refusal(`a worker's capacity is 1 to ${MAX_CAPACITY}, not ${capacity}`);
  }
  if (name.length > MAX_NAME_LENGTH) throw refusal(`a worker's name has at most ${MAX_NAME_LENGTH} characters`);
  return { ...hello, events: [...new Set(events)] };
}

function refusal(text: string): CarillonError {
  return new CarillonError("invalid_argument", text);
}
