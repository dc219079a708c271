import type { Contender, ServerProcess } from "./contender.js";
import { countFaults, type Faults } from "./counts.js";
import type { Requests } from "./grpc.js";
import { createNumbered, createNumberedRequests, type EncodeEntries, repeatRequest } from "./requests.js";

/** Size of each payload. */
export const PAYLOAD_BYTES = 100;
/** Topic without subscribers, so that only the publishing side is measured. */
const EMPTY_TOPIC = 1;
const WATCHED_TOPIC = 0;

/** Way to publish. */
export interface Way {
  readonly name: string;
  readonly server: ServerProcess;
  /** Number of messages of each request. */
  readonly perRequest: number;
  readonly encode: EncodeEntries;
  /** Returns the number of messages that an answer confirms. */
  readonly confirms: (answer: Buffer) => number;
  readonly send: (next: Requests, concurrency: number, onAnswer: (answer: Buffer) => void) => Promise<void>;
}

export interface Published {
  /** CPU time of the server per message, in microseconds. */
  readonly cpu: number;
  readonly perSecond: number;
  /** Number of messages that no answer confirmed. */
  readonly unanswered: number;
}

/** Publishes to a topic without subscribers. @param concurrency - number of requests under way */
export async function measurePublishing(
  { confirms, encode, perRequest, send, server }: Way,
  concurrency: number,
  toy: boolean,
): Promise<Published> {
  const numbers = Array.from({ length: perRequest }, () => 1);
  const request = encode(createNumbered(EMPTY_TOPIC, numbers, PAYLOAD_BYTES));
  const begin = { cpu: await server.cpu(), time: performance.now() };
  const { next, sent } = repeatRequest(request, toy ? 0 : 1_500, 100);
  let answered = 0;
  await send(next, concurrency, (answer) => {
    answered += confirms(answer);
  });
  const milliseconds = performance.now() - begin.time;
  const cpu = (await server.cpu()) - begin.cpu;
  const messages = sent() * perRequest;
  return { cpu: cpu / messages, perSecond: (messages / milliseconds) * 1_000, unanswered: messages - answered };
}

/**
 * Counts deliveries to one new client, with one request at a time, so that messages keep the order of requests.
 *
 * @param contender - server of the way, with its clients
 */
export async function countDeliveries(
  { encode, perRequest, send }: Way,
  contender: Contender,
  toy: boolean,
): Promise<Faults> {
  const { join, load } = contender;
  await contender.connect([join([WATCHED_TOPIC])]);
  const before = await load.counts();
  const messages = toy ? 200 : 5_000;
  await send(createNumberedRequests(WATCHED_TOPIC, messages, perRequest, PAYLOAD_BYTES, encode), 1, () => {});
  await load.arrived(messages);
  return countFaults(before, await load.counts(), messages);
}
