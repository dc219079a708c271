import type { NatsConnection } from "nats";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { describeConnectFailure, shownServers } from "../link/connect.js";
import { Link, type NatsEvents } from "../link/link.js";
import type { NatsOptions } from "../link/options.js";
import { Bucket, type BucketOptions } from "./bucket.js";

/** Time between two attempts to open the bucket while there is a connection, in milliseconds. */
const RETRY_WAIT = 1_000;
/** Time between two looks whether the bucket is still there, in milliseconds. */
const CHECK_INTERVAL = 5_000;

export interface BucketLinkOptions {
  readonly bucket: BucketOptions;
  readonly nats: NatsOptions;
  readonly clock: Clock;
  readonly events: NatsEvents;
  /** It can be used, for the first time or again. */
  readonly onOpened: (bucket: Bucket) => void;
}

/** Keeps a bucket open: on every new connection anew, and until that succeeds again and again. */
export class BucketLink {
  readonly #options: BucketLinkOptions;
  readonly #link: Link;
  #bucket: Bucket | undefined;
  /** The first attempt on the connection of the moment. */
  #opening: Promise<void> = Promise.resolve();
  #lost = withResolvers<never>();
  /** Whether it may be made: never again once it was there, as everything would be taken for deleted. */
  #mayMake = true;
  #lastComplaint = "";
  #cancelCheck: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;

  constructor(options: BucketLinkOptions) {
    this.#options = options;
    const { clock, events, nats } = options;
    this.#link = new Link({
      nats,
      clock,
      // Up is when the bucket is open.
      events: { onUp: ignore, onDown: events.onDown, onError: events.onError },
      onConnected: (connection) => {
        this.#opening = this.#open(connection);
        // Whoever starts waits for it; later on there is nobody.
        this.#opening.catch(ignore);
      },
      onLost: () => {
        this.#lose(`${this.#name}: NATS is away: it may or may not have taken effect`);
      },
      onRefused: ignore,
    });
    this.#lost.promise.catch(ignore);
  }

  /** Undefined while it cannot be reached. */
  get bucket(): Bucket | undefined {
    return this.#link.up ? this.#bucket : undefined;
  }

  /** @throws CarillonError failed_precondition */
  async start(): Promise<void> {
    try {
      await this.#link.start();
      await this.#opening;
    } catch (cause) {
      await this.stop();
      const text = `${this.#name} at ${shownServers(this.#options.nats)}: ${describeConnectFailure(cause)}`;
      throw new CarillonError("failed_precondition", text, { cause });
    }
  }

  async stop(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelCheck?.();
    this.#lose(`${this.#name}: the store has stopped`);
    await this.#link.stop(0, () => Promise.resolve());
  }

  /**
   * Does something that asks the server.
   * @throws CarillonError unavailable, and what `run` throws of its own
   */
  async use<T>(run: (bucket: Bucket) => Promise<T>): Promise<T> {
    const { bucket } = this;
    if (bucket === undefined) throw new CarillonError("unavailable", `${this.#name} is not connected`);
    const { clock, nats } = this.#options;
    const late = withResolvers<never>();
    const cancel = clock.after(nats.confirmTimeout, () => {
      late.reject(new Error(`no answer within ${nats.confirmTimeout} ms`));
    });
    try {
      return await Promise.race([run(bucket), this.#lost.promise, late.promise]);
    } catch (cause) {
      if (cause instanceof CarillonError) throw cause;
      // The reason may be that it is not there any more.
      void this.#check(bucket);
      throw new CarillonError("unavailable", `${this.#name}: ${describeConnectFailure(cause)}`, { cause });
    } finally {
      cancel();
    }
  }

  /** Looks whether the bucket is still there, and gives it up if it is not, until it is back. Never rejects. */
  async #check(bucket: Bucket): Promise<void> {
    // Where the server does not answer, the connection tells.
    const fault = await bucket.fault().catch(ignore);
    const { connection } = this.#link;
    if (fault === undefined || connection === undefined || this.#bucket !== bucket) return;
    this.#lose(`${this.#name}: ${fault}`);
    this.#options.events.onDown(`${this.#name}: ${fault}`);
    this.#open(connection).catch(ignore);
  }

  #checkLater(bucket: Bucket): void {
    this.#cancelCheck?.();
    this.#cancelCheck = this.#options.clock.after(CHECK_INTERVAL, () => {
      void this.#check(bucket).then(() => {
        if (this.#bucket === bucket) this.#checkLater(bucket);
      });
    });
  }

  /** @throws CarillonError failed_precondition: it will never succeed */
  async #open(connection: NatsConnection): Promise<void> {
    this.#cancelRetry?.();
    const lost = this.#lost;
    try {
      const bucket = await Promise.race([Bucket.open(connection, this.#options.bucket, this.#mayMake), lost.promise]);
      if (lost !== this.#lost) return;
      this.#bucket = bucket;
    } catch (cause) {
      if (lost !== this.#lost) return;
      this.#complain(describeConnectFailure(cause));
      this.#cancelRetry = this.#options.clock.after(RETRY_WAIT, () => {
        if (lost === this.#lost) this.#open(connection).catch(ignore);
      });
      if (cause instanceof CarillonError) throw cause;
      return;
    }
    this.#mayMake = false;
    this.#lastComplaint = "";
    this.#checkLater(this.#bucket);
    // The link is up by now: its ping went out with the first of several requests.
    this.#options.onOpened(this.#bucket);
    this.#options.events.onUp(connection.getServer());
  }

  #lose(text: string): void {
    this.#bucket = undefined;
    this.#lost.reject(new CarillonError("unavailable", text));
    this.#lost = withResolvers<never>();
    this.#lost.promise.catch(ignore);
  }

  #complain(reason: string): void {
    const text = `${this.#name} cannot be opened: ${reason}`;
    if (text !== this.#lastComplaint) this.#options.events.onError(text);
    this.#lastComplaint = text;
  }

  get #name(): string {
    return `store bucket ${JSON.stringify(this.#options.bucket.name)}`;
  }
}
