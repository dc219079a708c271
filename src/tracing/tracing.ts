import {
  context,
  type ProxyTracerProvider,
  propagation,
  SpanKind,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import type { DeliveryTracer } from "../core/tracing/delivery-tracer.js";
import type { PublishTracer } from "../core/tracing/publish-tracer.js";
import type { ContinueTrace } from "../net/http-handler.js";
import { ignore } from "../util/ignore.js";
import type { TaskTracer } from "../workers/dispatch.js";
import { DeliverySpans, PublishSpans, type SystemOf } from "./message-spans.js";
import { NodeTracer } from "./node-tracer.js";
import { endSpan } from "./span-contexts.js";
import { TaskSpans } from "./task-spans.js";

/** An SDK, which may be able to send what it has recorded. */
interface Flushable extends TracerProvider {
  forceFlush?(): Promise<void>;
}

/** Creates the spans of a node, for the OpenTelemetry SDK that the process has registered. */
export class Tracing {
  readonly publishes: PublishTracer;
  readonly deliveries: DeliveryTracer;
  readonly tasks: TaskTracer;
  readonly #tracer: NodeTracer;
  readonly #provider: Flushable;

  constructor(tracer: NodeTracer, systemOf: SystemOf, provider: Flushable) {
    this.#provider = provider;
    this.#tracer = tracer;
    this.publishes = new PublishSpans(tracer, systemOf);
    this.deliveries = new DeliverySpans(tracer, systemOf);
    this.tasks = new TaskSpans(tracer);
  }

  /** Sends the spans that the SDK still holds. Never rejects. */
  async flush(): Promise<void> {
    await this.#provider.forceFlush?.().catch(ignore);
  }

  /** Runs a handler of requests so that its spans continue the caller's trace. */
  readonly continue: ContinueTrace = ({ events, header }, run) => {
    let continued = context.active();
    // Where an instrumentation has begun a span for the request, it has read the headers.
    if (trace.getSpanContext(continued) === undefined) {
      const getter = { keys: () => [], get: (_carrier: undefined, name: string) => header(name) };
      continued = propagation.extract(continued, undefined, getter);
    }
    if (trace.getSpanContext(continued) === undefined) {
      run();
      return;
    }
    // Events come from the connection, which knows no trace.
    if (events !== undefined) context.bind(continued, events);
    context.with(continued, run);
  };

  /**
   * Traces a call to another server.
   * @param name - `SERVICE/METHOD`
   * @param run - makes the call, with the headers that continue the trace
   */
  async call<T>(name: string, run: (headers: Readonly<Record<string, string>>) => Promise<T>): Promise<T> {
    const [service = "", method = ""] = name.split("/");
    const span = this.#tracer.begin(name, {
      kind: SpanKind.CLIENT,
      attributes: { "rpc.service": service, "rpc.method": method },
    });
    const headers: Record<string, string> = {};
    propagation.inject(trace.setSpan(context.active(), span), headers);
    try {
      const answer = await run(headers);
      endSpan(span);
      return answer;
    } catch (cause) {
      endSpan(span, cause);
      throw cause;
    }
  }
}

/**
 * Creates the node's spans if the process has registered an OpenTelemetry SDK. Decided once, so that a node without one does no
 * work for traces.
 */
export function createTracing(node: string, version: string, systemOf: SystemOf): Tracing | undefined {
  const registered = trace.getTracerProvider();
  // The API's own provider delegates to an SDK as soon as one is registered. Any other provider is an SDK.
  const isProxy = "getDelegateTracer" in registered;
  const proxy = registered as ProxyTracerProvider;
  const tracer = isProxy ? proxy.getDelegateTracer("carillon", version) : registered.getTracer("carillon", version);
  const provider = isProxy ? proxy.getDelegate() : registered;
  return tracer === undefined ? undefined : new Tracing(new NodeTracer(tracer, node), systemOf, provider);
}
