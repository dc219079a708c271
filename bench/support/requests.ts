import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RequestSchema, ResponseSchema } from "../../gen/websockets/v1/websockets_pb.js";
import type { Entry } from "./contender.js";
import type { Requests } from "./grpc.js";
import { createPayload, topicName } from "./payload.js";

/** Encodes messages as one request. */
export type EncodeEntries = (entries: readonly Entry[]) => Buffer;

/** Encodes messages as a request of Carillon in protobuf. */
export function encodeEntries(entries: readonly Entry[]): Buffer {
  const messages = entries.map(([topic, payload]) => ({ topics: [topic], payload: Buffer.from(payload) }));
  const request = toBinary(RequestSchema, create(RequestSchema, { messages }));
  return Buffer.from(request.buffer, request.byteOffset, request.byteLength);
}

/** Creates messages of one topic. @param numbers - number of each message */
export function createNumbered(topic: number, numbers: readonly number[], bytes: number): Entry[] {
  return numbers.map((number) => [topicName(topic), createPayload(topic, number, bytes)]);
}

/** Returns the number of messages that an answer confirms. */
export function countConfirmed(answer: Buffer): number {
  return fromBinary(ResponseSchema, answer).receipts.length;
}

/** Repeats a request for a duration and a smallest number of times. */
export function repeatRequest(
  request: Buffer,
  milliseconds: number,
  atLeast: number,
): { next: Requests; sent: () => number } {
  const end = performance.now() + milliseconds;
  let sent = 0;
  const next = (): Buffer | undefined => {
    if (sent >= atLeast && performance.now() >= end) return undefined;
    sent += 1;
    return request;
  };
  return { next, sent: () => sent };
}

/** Creates requests of messages numbered from 1. @param encode - encodes each request */
export function createNumberedRequests(
  topic: number,
  count: number,
  perRequest: number,
  bytes: number,
  encode: EncodeEntries,
): Requests {
  let number = 0;
  return () => {
    if (number >= count) return undefined;
    const numbers = Array.from({ length: perRequest }, (_, position) => number + 1 + position);
    number += perRequest;
    return encode(createNumbered(topic, numbers, bytes));
  };
}
