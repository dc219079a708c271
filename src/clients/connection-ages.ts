import type { Clock } from "../core/ports.js";
import { createRestartClose } from "../errors.js";
import type { Client } from "./client.js";
import type { ClientEvents, Clients } from "./clients.js";
import { ClientExpiries } from "./expiries.js";

/** Share of the age by which a connection may end earlier or later, so that connections of one moment do not end together. */
const JITTER = 0.1;

/** Few clients are closed at a time, so they may come back soon. */
const CLOSE = createRestartClose("maximum connection age reached", { from: 0, to: 1_000 });

/** Key of the queue for long work. Not a valid vhost path. */
const AGED = "aged";

export interface ConnectionAgesOptions {
  readonly clients: Clients;
  readonly clock: Clock;
  /** Returns the age of clients that connect now, in milliseconds; undefined for no limit. */
  readonly age: () => number | undefined;
  /** Returns a number from 0 up to 1. Default: Math.random. */
  readonly random?: () => number;
}

/** Closes connections that have reached an age, so that long-lived clients spread over the nodes again (rule L24). */
export class ConnectionAges implements ClientEvents {
  readonly #options: ConnectionAgesOptions;
  readonly #random: () => number;
  readonly #expiries: ClientExpiries<Client>;
  /** Ends by client, in milliseconds of the monotonic clock. */
  readonly #ends = new Map<Client, number>();

  constructor(options: ConnectionAgesOptions) {
    const { clients, clock, random = Math.random } = options;
    this.#options = options;
    this.#random = random;
    const elapsed: Clock = {
      now: () => clock.monotonic(),
      monotonic: () => clock.monotonic(),
      after: (milliseconds, run) => clock.after(milliseconds, run),
    };
    this.#expiries = new ClientExpiries(elapsed, (aged) => {
      void clients.disconnectEach(AGED, aged, CLOSE);
    });
    clients.listen(this);
  }

  onOpened(client: Client): void {
    const { clock } = this.#options;
    const age = this.#options.age();
    if (age === undefined) return;
    const end = clock.monotonic() + age * (1 - JITTER + 2 * JITTER * this.#random());
    this.#ends.set(client, end);
    this.#expiries.add(client, end);
  }

  onClosed(client: Client): void {
    const end = this.#ends.get(client);
    if (end === undefined) return;
    this.#ends.delete(client);
    this.#expiries.delete(client, end);
  }

  stop(): void {
    this.#expiries.stop();
  }
}
