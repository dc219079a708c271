import { type Attributes, type Context, context, type Span, SpanKind, type Tracer } from "@opentelemetry/api";

export interface NodeSpanOptions {
  readonly kind?: SpanKind;
  readonly attributes: Attributes;
  /** Default: the active context. */
  readonly parent?: Context | undefined;
}

/** Begins the spans of one node, which all have its id. */
export class NodeTracer {
  readonly #tracer: Tracer;
  readonly #node: string;

  constructor(tracer: Tracer, node: string) {
    this.#tracer = tracer;
    this.#node = node;
  }

  begin(name: string, { attributes, kind = SpanKind.INTERNAL, parent = context.active() }: NodeSpanOptions): Span {
    return this.#tracer.startSpan(name, { kind, attributes: { "carillon.node": this.#node, ...attributes } }, parent);
  }
}
