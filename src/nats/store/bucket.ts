import {
  type JetStreamManager,
  type KV,
  type NatsConnection,
  NatsError,
  ErrorCode as NatsErrorCode,
  type StreamConfig,
} from "nats";
import { CarillonError } from "../../errors.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { bucketKey, type Found, storedEntry, storeKeyOf, unlessExpired } from "./key-value-entry.js";
import { follow } from "./key-value-follow.js";

/** JetStream's own codes. Source: nats-server, server/errors.json. */
const WRONG_LAST_SEQUENCE = 10_071;
const TEMPORARILY_UNAVAILABLE = 10_008;
const STREAM_NOT_FOUND = 10_059;

const NO_JETSTREAM: ReadonlySet<string> = new Set([NatsErrorCode.JetStreamNotEnabled, NatsErrorCode.NoResponders]);

export interface BucketOptions {
  readonly name: string;
  /** Copies of the data in a NATS cluster, where the bucket has to be made. */
  readonly replicas: number;
  /** Milliseconds that the server may take to answer. */
  readonly timeout: number;
}

/** A key-value bucket by way of one connection. Errors are the library's. */
export class Bucket {
  readonly #manager: JetStreamManager;
  readonly #name: string;

  private constructor(
    readonly kv: KV,
    manager: JetStreamManager,
    name: string,
    /** When its stream was made. Revisions of another one mean other writes. */
    readonly created: string,
  ) {
    this.#manager = manager;
    this.#name = name;
  }

  /**
   * @param make - whether a missing bucket is made
   * @throws CarillonError failed_precondition: there is no JetStream, or a stream of another kind has the name
   */
  static async open(
    connection: NatsConnection,
    { name, replicas, timeout }: BucketOptions,
    make: boolean,
  ): Promise<Bucket> {
    try {
      const jetStream = connection.jetstream({ timeout });
      const manager = await connection.jetstreamManager({ timeout });
      if (!make) await manager.streams.info(streamOf(name));
      // Not allow_direct: another replica may answer such a read, one that has not got the latest write.
      const kv = await jetStream.views.kv(name, { history: 1, replicas, allow_direct: false });
      const { config, created } = await manager.streams.info(streamOf(name));
      const fault = configFault(name, config);
      if (fault !== undefined) throw new CarillonError("failed_precondition", fault);
      return new Bucket(kv, manager, name, created);
    } catch (cause) {
      if (isMissing(cause)) throw new Error(DELETED, { cause });
      if (!hasNoJetStream(cause)) throw cause;
      const text =
        "NATS has JetStream, which the store needs, not enabled: start nats-server with --jetstream, give the account JetStream, or choose another store driver";
      throw new CarillonError("failed_precondition", text, { cause });
    }
  }

  /**
   * Whether this is still the bucket that was opened.
   * @returns the reason why it is not
   * @throws what the library throws: it is not known
   */
  async fault(): Promise<string | undefined> {
    try {
      const { config, created } = await this.#manager.streams.info(streamOf(this.#name));
      return created === this.created ? configFault(this.#name, config) : "it was made anew";
    } catch (cause) {
      if (isMissing(cause)) return DELETED;
      throw cause;
    }
  }

  /** The latest revision of a key, where there has been one that NATS still knows, and its entry if it is not gone. */
  async find(key: string, now: number): Promise<{ readonly revision: number; readonly entry: Found }> {
    const found = await this.kv.get(bucketKey(key));
    if (found === null) return { revision: 0, entry: undefined };
    return { revision: found.revision, entry: unlessExpired(storedEntry(found), now) };
  }

  /** Everything below a filter once, marks of deletions as keys without an entry. */
  async read(filter: string): Promise<Map<string, Found>> {
    const found = new Map<string, Found>();
    const complete = withResolvers<void>();
    // It may end before it is waited for.
    complete.promise.catch(() => {});
    const end = await follow({
      kv: this.kv,
      filter,
      onEntry: (entry) => found.set(storeKeyOf(entry), storedEntry(entry)),
      onComplete: complete.resolve,
      onEnd: (error) => complete.reject(error ?? new Error("NATS ended the reading")),
    });
    try {
      await complete.promise;
    } finally {
      end();
    }
    return found;
  }

  /** Removes a key for good, unless it has a later revision: nobody who watches is told. */
  async purge(key: string, revision: number): Promise<void> {
    const filter = `$KV.${this.#name}.${bucketKey(key)}`;
    await this.#manager.streams.purge(streamOf(this.#name), { filter, seq: revision + 1 });
  }
}

const DELETED = "it was deleted: restore it, or restart the nodes to begin with an empty one";

function streamOf(bucket: string): string {
  return `KV_${bucket}`;
}

/** Why a stream cannot be a bucket. */
function configFault(name: string, { mirror, subjects }: Partial<StreamConfig>): string | undefined {
  if (mirror !== undefined || subjects?.includes(`$KV.${name}.>`) === true) return undefined;
  return `stream ${streamOf(name)} is no key-value bucket: it does not have the subject $KV.${name}.>`;
}

function isMissing(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === STREAM_NOT_FOUND;
}

/** Somebody else has written meanwhile. */
export function isConflict(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === WRONG_LAST_SEQUENCE;
}

/** Told by the server, or by nobody answering at all. A cluster that has no leader yet is another matter. */
function hasNoJetStream(error: unknown): boolean {
  if (!(error instanceof NatsError) || error.api_error?.err_code === TEMPORARILY_UNAVAILABLE) return false;
  return NO_JETSTREAM.has(error.code);
}
