import { SpanKind } from "@opentelemetry/api";
import type { TraceContext } from "../core/tracing/trace-context.js";
import type { TaskRequest, TaskSpan, TaskTracer } from "../workers/dispatch.js";
import type { NodeTracer } from "./node-tracer.js";
import { endSpan, toParent, toTraceContext } from "./span-contexts.js";

/** Creates the spans of tasks: one at the node that requested the task, and one for each worker that gets it. */
export class TaskSpans implements TaskTracer {
  readonly #tracer: NodeTracer;

  constructor(tracer: NodeTracer) {
    this.#tracer = tracer;
  }

  beginCall({ event, vhost, wantsAnswer }: TaskRequest): TaskSpan | undefined {
    const span = this.#tracer.begin(wantsAnswer ? "call" : "trigger", {
      attributes: { "carillon.vhost": vhost, "carillon.event": event },
    });
    if (!span.isRecording()) return undefined;
    return { trace: toTraceContext(span), end: (cause) => endSpan(span, cause) };
  }

  beginTask(event: string, vhost: string, trace: TraceContext): TaskSpan {
    const span = this.#tracer.begin("task", {
      kind: SpanKind.CLIENT,
      attributes: { "carillon.vhost": vhost, "carillon.event": event },
      parent: toParent(trace),
    });
    return { trace: toTraceContext(span), end: (cause) => endSpan(span, cause) };
  }
}
