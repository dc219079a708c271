import {
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { isPassedOn, type TraceContext } from "../core/tracing/trace-context.js";
import { CarillonError } from "../errors.js";

/** Converts the context of a span, for messages to other processes. */
export function toTraceContext(span: Span): TraceContext {
  const { spanId, traceFlags, traceId, traceState } = span.spanContext();
  const state = traceState?.serialize() ?? "";
  return { traceId, spanId, traceFlags, state: isPassedOn(state) ? state : undefined };
}

/** Creates the context of spans that continue a trace. */
export function toParent({ isRemote = false, spanId, state, traceFlags, traceId }: TraceContext): Context {
  const parent: SpanContext = {
    traceId,
    spanId,
    traceFlags,
    isRemote,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  };
  return trace.setSpanContext(ROOT_CONTEXT, parent);
}

/** Ends a span. @param cause - reason of a failure; undefined after a success */
export function endSpan(span: Span, cause?: unknown): void {
  if (cause !== undefined) {
    const { code, message } = CarillonError.from(cause);
    span.setAttribute("error.type", code);
    span.setStatus({ code: SpanStatusCode.ERROR, message });
  }
  span.end();
}
