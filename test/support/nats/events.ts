import type { NatsEvents } from "../../../src/nats/link/link.js";
import type { NatsOptions } from "../../../src/nats/link/options.js";
import { Queue } from "../queue.js";

/** Events of a NATS connection, in order. */
export interface ToldOfNats {
  /** The server of each connect. */
  readonly ups: Queue<string>;
  /** The reason of each disconnect. */
  readonly downs: Queue<string>;
  readonly errors: Queue<string>;
}

/** Connection options for tests. */
export function natsOptions(options: Partial<NatsOptions> & { readonly servers: readonly string[] }): NatsOptions {
  return { prefix: "carillon", clientName: "test", pendingBytes: 64 << 20, confirmTimeout: 5_000, ...options };
}

/** Handlers that record the events of a connection. */
export function natsEvents(): ToldOfNats & { readonly events: NatsEvents } {
  const ups = new Queue<string>();
  const downs = new Queue<string>();
  const errors = new Queue<string>();
  const events: NatsEvents = {
    onUp: (server) => {
      ups.push(server);
    },
    onDown: (reason) => {
      downs.push(reason);
    },
    onError: (message) => {
      errors.push(message);
    },
  };
  return { events, ups, downs, errors };
}
