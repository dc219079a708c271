import { create, type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { AnswerLease } from "../answer-budget.js";
import { checkWeight, READ_OPTIONS } from "../decode.js";
import { findMessageExcess } from "../request-weight.js";
import type { Codec, RpcMethod } from "../service.js";

/** Returns a method's own codec, or one that uses the generated code. */
export function toCodec({ codec, desc }: Pick<RpcMethod, "codec" | "desc">): Codec {
  return codec ?? generatedCodec(desc);
}

function generatedCodec({ input, output }: Pick<DescMethod, "input" | "output">): Codec {
  return {
    decode: (bytes) => {
      checkWeight(findMessageExcess(input, bytes));
      return fromBinary(input, bytes, READ_OPTIONS);
    },
    encode: (message) => toBinary(output, create(output, message as Record<string, unknown>)),
  };
}

/** Encodes an answer, and charges its bytes to the caller. */
export function countAnswer(codec: Codec, answer: object, lease: AnswerLease): Buffer {
  const bytes = toAnswerBytes(codec, answer);
  lease.spend(bytes.length);
  return bytes;
}

/** Encodes an answer. Counted answers, and those of some streams, are already encoded. */
export function toAnswerBytes(codec: Codec, answer: object): Buffer {
  if (Buffer.isBuffer(answer)) return answer;
  const bytes = codec.encode(answer);
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
