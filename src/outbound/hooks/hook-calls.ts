import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

/** Calls a backend by one protocol. */
export interface UnaryCalls {
  /** @throws Error on any failure, including an answer larger than MAX_ANSWER */
  call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    signal: AbortSignal,
  ): Promise<MessageShape<Output>>;
  close(): void;
}

/** Largest answer, in bytes, as sent and as inflated. */
export const MAX_ANSWER = 1_048_576;
