import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

/** Makes calls of one protocol. */
export interface UnaryCalls {
  /** @throws Error whatever fails; an answer beyond MAX_ANSWER is one that does */
  call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    signal: AbortSignal,
  ): Promise<MessageShape<Output>>;
  close(): void;
}

/** Largest answer, in bytes, as sent and as inflated. */
export const MAX_ANSWER = 1_048_576;
