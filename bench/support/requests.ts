import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RequestSchema, ResponseSchema } from "../../gen/websockets/v1/websockets_pb.js";
import type { Requests } from "./grpc.js";
import { payload, topicName } from "./payload.js";

/** An encoded request with these messages of one topic. @param numbers - one for each message */
export function requestOf(topic: number, numbers: readonly number[], bytes: number): Buffer {
  const messages = numbers.map((number) => ({
    topics: [topicName(topic)],
    payload: Buffer.from(payload(topic, number, bytes)),
  }));
  return Buffer.from(toBinary(RequestSchema, create(RequestSchema, { messages })));
}

/** How many messages an answer confirms. */
export function confirmed(answer: Buffer): number {
  return fromBinary(ResponseSchema, answer).receipts.length;
}

/** The same request again and again, for so long and so many times at least. */
export function repeated(
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

/** Messages numbered from 1, so many to a request. */
export function numberedRequests(topic: number, count: number, perRequest: number, bytes: number): Requests {
  let number = 0;
  return () => {
    if (number >= count) return undefined;
    const numbers = Array.from({ length: perRequest }, (_, position) => number + 1 + position);
    number += perRequest;
    return requestOf(topic, numbers, bytes);
  };
}
