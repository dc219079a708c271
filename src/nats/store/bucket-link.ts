import type { NatsConnection } from "nats";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { describeConnectFailure, formatServers } from "../link/connect.js";
import { Link, type NatsEvents } from "../link/link.js";
import type { NatsOptions } from "../link/options.js";
import { Bucket, type BucketOptions } from "./bucket.js";

/** Pause between two attempts to open the bucket while connected, in milliseconds. */
const RETRY_WAIT = 1_000;
/** Interval of checks that the bucket still exists, in milliseconds. */
const CHECK_INTERVAL = 5_000;

export interface BucketLinkOptions {
  readonly bucket: BucketOptions;
  readonly nats: NatsOptions;
  readonly clock: Clock;
  readonly events: NatsEvents;
  /** Called each time the bucket has been opened. */
  readonly onOpened: (bucket: Bucket) => void;
}

/** Keeps a bucket open: reopens it on every new connection, and retries until that succeeds. */
export class BucketLink {
  readonly #options: BucketLinkOptions;
  readonly #link: Link;
  #bucket: Bucket | undefined;
  /** First attempt on the current connection. */
  #opening: Promise<void> = Promise.resolve();
  #lost = withResolvers<never>();
  /** Whether a missing bucket may be created. False after the first open, because an empty bucket would delete all entries. */
  #mayCreate = true;
  #lastError = "";
  #cancelCheck: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;

  constructor(options: BucketLinkOptions) {
    this.#options = options;
    const { clock, events, nats } = options;
    this.#link = new Link({
      nats,
      clock,
      // The store is up when the bucket is open, not when the link is up.
      events: { onUp: ignore, onDown: events.onDown, onError: events.onError },
      onConnected: (connection) => {
        this.#opening = this.#open(connection);
        // Only start waits for the attempt.
        this.#opening.catch(ignore);
      },
      onLost: () => {
        this.#lose(`${this.#name}: the connection to NATS was lost: the outcome is unknown`);
      },
      onRefused: ignore,
    });
    this.#lost.promise.catch(ignore);
  }

  /** The open bucket; undefined while it cannot be reached. */
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
      const text = `${this.#name} at ${formatServers(this.#options.nats)}: ${describeConnectFailure(cause)}`;
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
   * Runs an operation on the bucket.
   * @throws CarillonError unavailable; errors that `run` throws as CarillonError
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
      // The bucket may have been deleted.
      void this.#check(bucket);
      throw new CarillonError("unavailable", `${this.#name}: ${describeConnectFailure(cause)}`, { cause });
    } finally {
      cancel();
    }
  }

  /** Checks that the bucket still exists; otherwise closes it and tries to reopen it. Never rejects. */
  async #check(bucket: Bucket): Promise<void> {
    // A server that does not answer is reported by the connection.
    const problem = await bucket.findProblem().catch(ignore);
    const { connection } = this.#link;
    if (problem === undefined || connection === undefined || this.#bucket !== bucket) return;
    this.#lose(`${this.#name}: ${problem}`);
    this.#options.events.onDown(`${this.#name}: ${problem}`);
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

  /** @throws CarillonError failed_precondition when a retry cannot help */
  async #open(connection: NatsConnection): Promise<void> {
    this.#cancelRetry?.();
    const lost = this.#lost;
    try {
      const bucket = await Promise.race([Bucket.open(connection, this.#options.bucket, this.#mayCreate), lost.promise]);
      if (lost !== this.#lost) return;
      this.#bucket = bucket;
    } catch (cause) {
      if (lost !== this.#lost) return;
      this.#reportError(describeConnectFailure(cause));
      this.#cancelRetry = this.#options.clock.after(RETRY_WAIT, () => {
        if (lost === this.#lost) this.#open(connection).catch(ignore);
      });
      if (cause instanceof CarillonError) throw cause;
      return;
    }
    this.#mayCreate = false;
    this.#lastError = "";
    this.#checkLater(this.#bucket);
    // The link is up by now, because its ping was sent with the first of several requests.
    this.#options.onOpened(this.#bucket);
    this.#options.events.onUp(connection.getServer());
  }

  #lose(text: string): void {
    this.#bucket = undefined;
    this.#lost.reject(new CarillonError("unavailable", text));
    this.#lost = withResolvers<never>();
    this.#lost.promise.catch(ignore);
  }

  #reportError(reason: string): void {
    const text = `${this.#name} cannot be opened: ${reason}`;
    if (text !== this.#lastError) this.#options.events.onError(text);
    this.#lastError = text;
  }

  get #name(): string {
    return `store bucket ${JSON.stringify(this.#options.bucket.name)}`;
  }
}
