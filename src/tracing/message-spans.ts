import { type Attributes, context, type Span, SpanKind, trace } from "@opentelemetry/api";
import type { PublicationDraft, Source } from "../core/publishing/publication-draft.js";
import type { DeliveryTracer, TracedDelivery } from "../core/tracing/delivery-tracer.js";
import type { PublishSpan, PublishTracer } from "../core/tracing/publish-tracer.js";
import type { TraceContext } from "../core/tracing/trace-context.js";
import type { NodeTracer } from "./node-tracer.js";
import { endSpan, toParent, toTraceContext } from "./span-contexts.js";

/** Returns the name of the system that carries a broker's messages, such as nats; undefined for a broker within this process. */
export type SystemOf = (broker: string) => string | undefined;

/**
 * Creates the spans of publishes: one for the request, and below it one for each system that carries its messages to other
 * nodes. Names and attributes follow the semantic conventions of OpenTelemetry for messaging.
 */
export class PublishSpans implements PublishTracer {
  readonly #tracer: NodeTracer;
  readonly #systemOf: SystemOf;

  constructor(tracer: NodeTracer, systemOf: SystemOf) {
    this.#tracer = tracer;
    this.#systemOf = systemOf;
  }

  begin({ kind, vhost }: Source, drafts: readonly PublicationDraft[]): PublishSpan | undefined {
    const parent = trace.getSpanContext(context.active());
    const attributes: Attributes = {
      "carillon.vhost": vhost,
      "carillon.source": kind,
      "messaging.operation.name": "publish",
      "messaging.batch.message_count": drafts.length,
      ...describeDestination(drafts),
    };
    // Below another span of this process, the request is served by that one.
    const isServer = parent === undefined || parent.isRemote === true;
    const span = this.#tracer.begin("publish", { kind: isServer ? SpanKind.SERVER : SpanKind.INTERNAL, attributes });
    if (!span.isRecording()) return undefined;
    const own = toTraceContext(span);
    const sent = new Map<string, { readonly span: Span; readonly trace: TraceContext }>();
    return {
      trace: own,
      contextFor: (broker) => {
        const system = this.#systemOf(broker);
        if (system === undefined) return own;
        let producer = sent.get(broker);
        if (producer === undefined) {
          const child = this.#tracer.begin(`send ${system}`, {
            kind: SpanKind.PRODUCER,
            attributes: { ...attributes, "messaging.system": system },
            parent: trace.setSpan(context.active(), span),
          });
          producer = { span: child, trace: toTraceContext(child) };
          sent.set(broker, producer);
        }
        return producer.trace;
      },
      end: (cause) => {
        for (const producer of sent.values()) endSpan(producer.span, cause);
        endSpan(span, cause);
      },
    };
  }
}

/**
 * Creates the spans of deliveries on this node: one for the message that came from another process, and one for its fan-out,
 * however many recipients it has.
 */
export class DeliverySpans implements DeliveryTracer {
  readonly #tracer: NodeTracer;
  readonly #systemOf: SystemOf;

  constructor(tracer: NodeTracer, systemOf: SystemOf) {
    this.#tracer = tracer;
    this.#systemOf = systemOf;
  }

  begin({ broker, encodings, message, sessions, topic, vhost }: TracedDelivery, from: TraceContext): () => void {
    const attributes: Attributes = { "carillon.vhost": vhost, "messaging.destination.name": topic };
    const system = from.isRemote === true ? this.#systemOf(broker) : undefined;
    const parent = toParent(from);
    const consumer =
      system === undefined
        ? undefined
        : this.#tracer.begin(`process ${system}`, {
            kind: SpanKind.CONSUMER,
            attributes: { ...attributes, "messaging.system": system },
            parent,
          });
    const fanOut = this.#tracer.begin("fan-out", {
      attributes: {
        ...attributes,
        "messaging.message.id": message.id,
        "messaging.message.body.size": message.payload.length,
        "carillon.sessions": sessions,
        "carillon.encodings": encodings,
      },
      parent: consumer === undefined ? parent : trace.setSpan(parent, consumer),
    });
    return () => {
      fanOut.end();
      consumer?.end();
    };
  }
}

/** Names the topic of a request with a single one. */
function describeDestination(drafts: readonly PublicationDraft[]): Attributes {
  const [draft] = drafts;
  const [topic] = draft?.topics ?? [];
  if (draft === undefined || topic === undefined || drafts.length > 1 || draft.topics.length > 1) return {};
  return { "messaging.destination.name": topic };
}
