import { randomBytes } from "node:crypto";
import { NodeTracerProvider, type ReadableSpan, type SpanProcessor } from "@opentelemetry/sdk-trace-node";

/** Receives the ended spans of this process from a real SDK. */
export class SpanRecorder implements SpanProcessor {
  readonly ended: ReadableSpan[] = [];
  #onEnded: (() => void)[] = [];

  /** Registers an SDK that samples all traces. Nodes that start afterwards use it. */
  static register(): SpanRecorder {
    const recorder = new SpanRecorder();
    new NodeTracerProvider({ spanProcessors: [recorder] }).register();
    return recorder;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    this.ended.push(span);
    for (const run of this.#onEnded.splice(0)) run();
  }

  forceFlush(): Promise<void> {
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }

  /** Returns the ended spans of a trace. */
  of(traceId: string): ReadableSpan[] {
    return this.ended.filter((span) => span.spanContext().traceId === traceId);
  }

  /** Resolves with the spans of a trace when so many have ended. */
  async until(traceId: string, count: number): Promise<ReadableSpan[]> {
    while (this.of(traceId).length < count) await new Promise<void>((resolve) => this.#onEnded.push(resolve));
    return this.of(traceId);
  }

  /** Resolves with the first span of this name. */
  async named(name: string): Promise<ReadableSpan> {
    for (;;) {
      const span = this.ended.find((one) => one.name === name);
      if (span !== undefined) return span;
      await new Promise<void>((resolve) => this.#onEnded.push(resolve));
    }
  }
}

/** A trace of a caller: its id, and the header that continues it. */
export function newTrace(): { readonly id: string; readonly headers: { readonly traceparent: string } } {
  const id = randomBytes(16).toString("hex");
  return { id, headers: { traceparent: `00-${id}-${randomBytes(8).toString("hex")}-01` } };
}

/** Draws a trace as a tree of names, each below its parent, in alphabetical order. */
export function drawTrace(spans: readonly ReadableSpan[], label = (span: ReadableSpan): string => span.name): string[] {
  const ids = new Set(spans.map((span) => span.spanContext().spanId));
  const draw = (parent: string | undefined, indent: string): string[] =>
    spans
      .filter(({ parentSpanContext }) =>
        parent === undefined ? !ids.has(parentSpanContext?.spanId ?? "") : parentSpanContext?.spanId === parent,
      )
      .toSorted((one, other) => label(one).localeCompare(label(other)))
      .flatMap((span) => [`${indent}${label(span)}`, ...draw(span.spanContext().spanId, `${indent}  `)]);
  return draw(undefined, "");
}
