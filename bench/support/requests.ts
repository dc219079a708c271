import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RequestSchema, ResponseSchema } from "../../gen/websockets/v1/websockets_pb.js";
import type { Requests } from "./grpc.js";
import { createPayload, topicName } from "./payload.js";

/** Encodes a request with messages of one topic. @param numbers - number of each message */
export function encodeNumbered(topic: number, numbers: readonly number[], bytes: number): Buffer {
  const messages = numbers.map((number) => ({
    topics: [topicName(topic)],
    payload: Buffer.from(createPayload(topic, number, bytes)),
  }));
  return Buffer.from(toBinary(RequestSchema, create(RequestSchema, { messages })));
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

/** Creates requests of messages numbered from 1. */
export function createNumberedRequests(topic: number, count: number, perRequest: number, bytes: number): Requests {
  let number = 0;
  return () => {
    if (number >= count) return undefined;
    const numbers = Array.from({ length: perRequest }, (_, position) => number + 1 + position);
    number += perRequest;
    return encodeNumbered(topic, numbers, bytes);
  };
}
