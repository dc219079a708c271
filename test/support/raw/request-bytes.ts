import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";

/** Encodes a valid Request of exactly this number of bytes, in protobuf or JSON, with each payload within its limit. */
export function requestOf(bytes: number, json = false): Uint8Array {
  const topics = ["received"];
  const payload = new Uint8Array(json ? 600_000 : 800_000);
  const request = create(RequestSchema, { messages: [1, 2, 3, 4, 5].map(() => ({ topics, payload })) });
  // White space and unknown fields have no meaning but count.
  if (json) return Buffer.from(toJsonString(RequestSchema, request).padEnd(bytes));
  const [first] = request.messages;
  if (first !== undefined)
    first.payload = new Uint8Array(payload.length + bytes - toBinary(RequestSchema, request).length);
  const result = toBinary(RequestSchema, request);
  if (result.length !== bytes) throw new Error(`made ${result.length} bytes, not ${bytes}`);
  return result;
}
