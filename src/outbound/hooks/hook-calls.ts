import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

export interface UnaryCallOptions {
  readonly signal: AbortSignal;
  /** Headers in addition to the credentials. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Records a call to another server.
 * @param name - `SERVICE/METHOD`
 * @param run - makes the call, with headers by which the server continues the trace
 */
export type TraceCall = <Answer>(
  name: string,
  run: (headers: UnaryCallOptions["headers"]) => Promise<Answer>,
) => Promise<Answer>;

/** Calls a backend by one protocol. */
export interface UnaryCalls {
  /** @throws Error on any failure, including an answer that is larger than MAX_ANSWER or has too many fields (rule E10) */
  call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    options: UnaryCallOptions,
  ): Promise<MessageShape<Output>>;
  close(): void;
}

/** Maximum size of an answer, in bytes, before and after decompression. */
export const MAX_ANSWER = 1_048_576;

/** @throws Error when there is a reason to refuse the answer before it is decoded */
export function checkAnswer(excess: string | undefined): void {
  if (excess !== undefined) throw new Error(`the answer cannot be decoded: ${excess}`);
}
