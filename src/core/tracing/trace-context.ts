/** Position in a distributed trace, as W3C Trace Context defines it. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly traceFlags: number;
  /** Whether it came from another process. */
  readonly isRemote?: boolean;
  /** Content of the header `tracestate`; undefined for none. */
  readonly state?: string | undefined;
}

/** Flag of a trace that is recorded. */
const SAMPLED = 1;

/** Largest `tracestate` that is passed on, in characters: the size that the standard requires. */
export const MAX_TRACE_STATE = 512;

const TRACEPARENT = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/**
 * Reads the headers `traceparent` and `tracestate` of a sampled trace.
 * @returns undefined for a trace that is not sampled, and for malformed headers, as the standard requires
 */
export function parseTraceContext(traceparent: string, state: string): TraceContext | undefined {
  const [, version = "", traceId = "", spanId = "", flags = "", rest] = TRACEPARENT.exec(traceparent) ?? [];
  const traceFlags = Number.parseInt(flags, 16);
  if (Number.isNaN(traceFlags) || (traceFlags & SAMPLED) === 0 || version === "ff") return undefined;
  if ((version === "00" && rest !== undefined) || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: SAMPLED, isRemote: true, state: isPassedOn(state) ? state : undefined };
}

/** Writes the header `traceparent`. */
export function formatTraceparent({ spanId, traceFlags, traceId }: TraceContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** Whether a `tracestate` is a valid value of a header, of a size that is passed on. */
export function isPassedOn(state: string): boolean {
  return state !== "" && state.length <= MAX_TRACE_STATE && /^[\x20-\x7e]*$/.test(state);
}
