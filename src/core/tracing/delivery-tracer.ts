import type { Message } from "../message.js";
import type { TraceContext } from "./trace-context.js";

/** Records the deliveries of messages of sampled traces: one span for all recipients. */
export interface DeliveryTracer {
  /**
   * Begins the span of a message's delivery.
   * @returns a function that ends it
   */
  begin(delivery: TracedDelivery, trace: TraceContext): () => void;
}

export interface TracedDelivery {
  readonly vhost: string;
  readonly broker: string;
  readonly topic: string;
  readonly message: Message;
  /** Number of recipients on this node. */
  readonly sessions: number;
  /** Number of frames that were encoded for them. */
  readonly encodings: number;
}
