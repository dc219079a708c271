import type { PublicationDraft, Source } from "../publishing/publication-draft.js";
import type { TraceContext } from "./trace-context.js";

/** Records the publishes of sampled traces. */
export interface PublishTracer {
  /** Begins the span of a request. @returns undefined if it is not sampled */
  begin(source: Source, drafts: readonly PublicationDraft[]): PublishSpan | undefined;
}

/** Span of a publish request. */
export interface PublishSpan {
  readonly trace: TraceContext;
  /** Returns the trace context of the messages that are sent to a broker. */
  contextFor(broker: string): TraceContext;
  /** Ends the span. @param cause - reason of a failure; undefined after a success */
  end(cause?: unknown): void;
}
