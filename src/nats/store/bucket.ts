import {
  type JetStreamManager,
  type KV,
  type NatsConnection,
  NatsError,
  ErrorCode as NatsErrorCode,
  type StreamConfig,
} from "nats";
import { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { decodeEntry, dropExpired, type FoundEntry, toBucketKey, toStoreKey } from "./key-value-entry.js";
import { type FollowedBucket, type FollowOptions, followEntries } from "./key-value-follow.js";

/** Error codes of JetStream. Source: nats-server, server/errors.json. */
const WRONG_LAST_SEQUENCE = 10_071;
const MESSAGE_NOT_FOUND = 10_037;
const TEMPORARILY_UNAVAILABLE = 10_008;
const STREAM_NOT_FOUND = 10_059;

/** Milliseconds without an entry after which the server is asked whether more follow, at most a quarter of the timeout. */
const MAX_SILENCE = 500;

const NO_JETSTREAM: ReadonlySet<string> = new Set([NatsErrorCode.JetStreamNotEnabled, NatsErrorCode.NoResponders]);

export interface BucketOptions {
  readonly name: string;
  /** Number of copies in a NATS cluster when the bucket is created. */
  readonly replicas: number;
  /** Maximum wait for an answer, in milliseconds. */
  readonly timeout: number;
}

/** A key-value bucket on one connection. Throws errors of the library. */
export class Bucket implements FollowedBucket {
  readonly #manager: JetStreamManager;
  readonly #name: string;
  readonly silence: number;

  private constructor(
    readonly kv: KV,
    manager: JetStreamManager,
    { name, timeout }: Pick<BucketOptions, "name" | "timeout">,
    /** Creation time of the bucket's stream. Revisions of different streams are not comparable. */
    readonly created: string,
  ) {
    this.#manager = manager;
    this.#name = name;
    this.silence = Math.min(MAX_SILENCE, timeout / 4);
  }

  /**
   * @param mayCreate - whether a missing bucket is created
   * @throws CarillonError failed_precondition without JetStream, or when a stream of another kind has the name
   */
  static async open(
    connection: NatsConnection,
    { name, replicas, timeout }: BucketOptions,
    mayCreate: boolean,
  ): Promise<Bucket> {
    try {
      const jetStream = connection.jetstream({ timeout });
      const manager = await connection.jetstreamManager({ timeout });
      if (!mayCreate) await manager.streams.info(toStreamName(name));
      // allow_direct would let a replica answer that lacks the latest write.
      const kv = await jetStream.views.kv(name, { history: 1, replicas, allow_direct: false });
      const { config, created } = await manager.streams.info(toStreamName(name));
      const problem = findConfigProblem(name, config);
      if (problem !== undefined) throw new CarillonError("failed_precondition", problem);
      return new Bucket(kv, manager, { name, timeout }, created);
    } catch (cause) {
      if (isMissing(cause)) throw new Error(DELETED, { cause });
      if (!hasNoJetStream(cause)) throw cause;
      const text =
        "the store requires JetStream, which is not enabled: start nats-server with --jetstream, enable JetStream for the account, or choose another store driver";
      throw new CarillonError("failed_precondition", text, { cause });
    }
  }

  /**
   * Checks that this is still the bucket that was opened.
   * @returns the reason for which it is not; undefined when it is
   * @throws errors of the library when the state is unknown
   */
  async findProblem(): Promise<string | undefined> {
    try {
      const { config, created } = await this.#manager.streams.info(toStreamName(this.#name));
      return created === this.created ? findConfigProblem(this.#name, config) : "it was recreated";
    } catch (cause) {
      if (isMissing(cause)) return DELETED;
      throw cause;
    }
  }

  /** Finds the latest revision of a key, 0 for none, and its entry; undefined when deleted or expired. */
  async find(key: string, now: number): Promise<{ readonly revision: number; readonly entry: FoundEntry }> {
    const found = await this.kv.get(toBucketKey(key));
    if (found === null) return { revision: 0, entry: undefined };
    return { revision: found.revision, entry: dropExpired(decodeEntry(found), now) };
  }

  /** Reads all entries that match a filter. Deletion markers become keys without an entry. */
  async read(filter: string): Promise<Map<string, FoundEntry>> {
    const found = new Map<string, FoundEntry>();
    const complete = withResolvers<void>();
    // The read may fail before the promise is awaited.
    complete.promise.catch(ignore);
    const end = await this.follow({
      filter,
      onEntry: (entry) => found.set(toStoreKey(entry), decodeEntry(entry)),
      onComplete: complete.resolve,
      onEnd: (error) => complete.reject(error ?? new Error("NATS ended the read")),
    });
    try {
      await complete.promise;
    } finally {
      end();
    }
    return found;
  }

  /** Calls handlers for entries. @returns a function that ends this. @throws errors of the library */
  follow(options: FollowOptions): Promise<() => void> {
    return followEntries(this, options);
  }

  async findLastRevision(filter: string): Promise<number> {
    try {
      // A mirror has the subjects of its origin.
      const query = { last_by_subj: `$KV.*.${filter}` };
      return (await this.#manager.streams.getMessage(toStreamName(this.#name), query)).seq;
    } catch (cause) {
      if (hasErrorCode(cause, MESSAGE_NOT_FOUND)) return 0;
      throw cause;
    }
  }

  /** Removes all traces of a key, unless it has a later revision. Watchers are not notified. */
  async purge(key: string, revision: number): Promise<void> {
    const filter = `$KV.${this.#name}.${toBucketKey(key)}`;
    await this.#manager.streams.purge(toStreamName(this.#name), { filter, seq: revision + 1 });
  }
}

const DELETED = "it was deleted: restore it, or restart the nodes to start with an empty one";

function toStreamName(bucket: string): string {
  return `KV_${bucket}`;
}

/** Returns the reason for which a stream cannot be a bucket; undefined when it can. */
function findConfigProblem(name: string, { mirror, subjects }: Partial<StreamConfig>): string | undefined {
  if (mirror !== undefined || subjects?.includes(`$KV.${name}.>`) === true) return undefined;
  return `stream ${toStreamName(name)} is not a key-value bucket: it lacks the subject $KV.${name}.>`;
}

function isMissing(error: unknown): boolean {
  return hasErrorCode(error, STREAM_NOT_FOUND);
}

/** Returns true when a write failed because of a concurrent write. */
export function isConflict(error: unknown): boolean {
  return hasErrorCode(error, WRONG_LAST_SEQUENCE);
}

function hasErrorCode(error: unknown, code: number): boolean {
  return error instanceof NatsError && error.api_error?.err_code === code;
}

/** Returns true when the server has no JetStream; false for a cluster that has no leader yet. */
function hasNoJetStream(error: unknown): boolean {
  if (!(error instanceof NatsError) || error.api_error?.err_code === TEMPORARILY_UNAVAILABLE) return false;
  return NO_JETSTREAM.has(error.code);
}
