import { randomBytes } from "node:crypto";
import type {
  HistoryClass,
  HistoryPage,
  HistoryQuery,
  HistoryStore,
  HistoryStoreCounts,
  StoredTopic,
} from "../../core/history.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { toPurgeHeaders } from "./nats-stored-message.js";
import { createAnchorPosition, parsePosition, type StreamAddress } from "./position.js";
import type { LogReader } from "./read/log-reader.js";
import { readPage } from "./read/read-page.js";
import type { StoreConnection } from "./read/store-connection.js";
import type { ReadFrom, SubjectReader } from "./read/subject-reader.js";
import type { ClassStream } from "./streams/class-stream.js";
import type { ClassStreams } from "./streams/class-streams.js";
import { deleteStreams } from "./streams/delete-streams.js";

export interface NatsHistoryStoreOptions {
  readonly store: StoreConnection;
  readonly streams: ClassStreams;
  readonly reader: SubjectReader;
  readonly fresh: SubjectReader;
  readonly logReader: LogReader;
  readonly clock: Clock;
  readonly counts: HistoryStoreCounts;
}

/** Reads and removes the messages that the streams of a broker store. */
export class NatsHistoryStore implements HistoryStore {
  readonly counts: HistoryStoreCounts;
  readonly #options: NatsHistoryStoreOptions;

  constructor(options: NatsHistoryStoreOptions) {
    this.#options = options;
    this.counts = options.counts;
  }

  async read({ history, topic, vhost }: StoredTopic, query: HistoryQuery): Promise<HistoryPage> {
    const stream = await this.#open(vhost, history);
    const address = stream.addressOf(topic);
    const first = query.after === undefined ? 1 : (await this.#check(stream, address, query.after)) + 1;
    const before =
      query.before === undefined ? Number.POSITIVE_INFINITY : await this.#check(stream, address, query.before);
    const { newest, position } = await this.#end(stream, address);
    const last = Math.min(before - 1, newest);
    const page = await readPage(this.#options.reader, stream, address, {
      ...query,
      first,
      last,
      known: last === newest && newest >= first ? newest : 0,
    });
    return { ...page, position };
  }

  /** @throws CarillonError unavailable */
  async #open(vhost: string, history: HistoryClass): Promise<ClassStream> {
    const stream = this.#options.streams.find(vhost, history);
    try {
      await stream.open();
      return stream;
    } catch (cause) {
      throw new CarillonError("unavailable", CarillonError.from(cause).message, { cause });
    }
  }

  /** Checks a position. @returns its sequence @throws CarillonError failed_precondition, unavailable */
  async #check(stream: ClassStream, address: StreamAddress, position: string): Promise<number> {
    const parsed = parsePosition(position);
    if (parsed === undefined) throw toError("unknown_position");
    const failure = await this.#options.logReader.check(stream, address, position, parsed, readFrom(stream));
    if (failure !== undefined) throw toError(failure);
    return parsed.sequence;
  }

  /** Finds the newest message of a topic, and the topic's position. */
  async #end(stream: ClassStream, address: StreamAddress) {
    const { fresh } = this.#options;
    const anchor = await stream.anchor();
    const newest = await fresh.last(address, readFrom(stream));
    if (newest === undefined) return { newest: 0, position: createAnchorPosition(address, anchor) };
    return { newest: newest.sequence, position: newest.position };
  }

  async purge({ history, topic, vhost }: StoredTopic): Promise<number> {
    const { clock, store } = this.#options;
    const stream = await this.#open(vhost, history);
    const { stream: name, subject } = stream.addressOf(topic);
    return store.run(async (connection) => {
      const manager = await connection.jetstreamManager({ timeout: store.timeout, checkAPI: false });
      const before = await manager.streams.info(name, { subjects_filter: subject });
      const stored = before.state.subjects?.[subject] ?? 0;
      const first = stored === 0 ? undefined : await this.#options.fresh.next(stream.addressOf(topic), 1, "leader");
      const headers = toPurgeHeaders(`purge-${randomBytes(12).toString("base64url")}`, clock.now());
      const mark = await connection.jetstream({ timeout: store.timeout }).publish(subject, undefined, { headers });
      await manager.streams.purge(name, { filter: subject, seq: mark.seq });
      return stored - (first?.isMark === true ? 1 : 0);
    });
  }

  async prepareClasses(vhost: string, classes: readonly HistoryClass[]): Promise<readonly string[]> {
    // The connection of live messages, whose return is the usual reason for this call, may be back before this one.
    if (classes.length > 0) await this.#options.store.settle();
    const faults = await Promise.all(classes.map((history) => this.#prepare(vhost, history)));
    return faults.flat();
  }

  deleteVhost(vhost: string): Promise<void> {
    const { store, streams } = this.#options;
    return streams.deleteVhost(vhost, (known) =>
      store.run((connection) =>
        deleteStreams(connection, { prefix: streams.prefix, vhost, known, timeout: store.timeout }),
      ),
    );
  }

  async #prepare(vhost: string, history: HistoryClass): Promise<readonly string[]> {
    const faults: string[] = [];
    const add = (text: string): void => {
      faults.push(`history class ${JSON.stringify(history.name)}: ${text}`);
    };
    try {
      const notice = await this.#options.streams.find(vhost, history).prepare(history);
      if (notice !== undefined) add(notice);
    } catch (cause) {
      add(CarillonError.from(cause).message);
    }
    return faults;
  }
}

function readFrom(stream: ClassStream): ReadFrom {
  return stream.isReplicated ? "leader" : "any";
}

function toError(failure: string): CarillonError {
  const text = {
    expired: "messages after this position have been removed",
    unknown_position: "not a position of this topic",
  };
  return new CarillonError("failed_precondition", `${failure}: ${text[failure as keyof typeof text] ?? failure}`);
}
