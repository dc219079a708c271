import { type Msg, MsgHdrsImpl, type NatsConnection } from "nats";
import type { Clock } from "../../../core/ports.js";
import type { HistoryCounts } from "../../../history/history-counts.js";
import { HeaderReader, NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import { readBatch, supportsBatches } from "./batch-reader.js";
import { readByConsumer } from "./consumer-reader.js";
import type { ForwardRange, ForwardResult } from "./forward-reader.js";
import type { StoreConnection } from "./store-connection.js";

/** Which replica answers: any of them, which may lag behind, or the leader. */
export type ReadFrom = "any" | "leader";

/** Query for one message. Source: NATS ADR-31, direct get. */
type Query =
  | { readonly seq: number }
  | { readonly last_by_subj: string }
  | { readonly seq: number; readonly next_by_subj: string };

const NOT_FOUND = 404;
/** Error code of JetStream. Source: nats-server, server/errors.json. */
const NO_MESSAGE_FOUND = 10_037;

/** A message of a stream, on any of its subjects. */
export interface FoundMessage {
  readonly subject: string;
  readonly message: NatsStoredMessage;
}

interface GetResponse {
  readonly error?: { readonly err_code?: number; readonly description?: string };
  readonly message?: {
    readonly subject: string;
    readonly seq: number;
    readonly hdrs?: string;
    readonly data?: string;
    readonly time: string;
  };
}

/** Reads single messages of a stream. */
export class SubjectReader {
  readonly #store: StoreConnection;
  readonly #clock: Clock;
  readonly #counts: HistoryCounts;
  readonly #isShared: boolean;

  /**
   * @param isShared - whether equal reads share one answer, which may be older than the later one of them. Whoever needs to know
   *   the state after an event must not share.
   */
  constructor(store: StoreConnection, clock: Clock, counts: HistoryCounts, isShared: boolean) {
    this.#isShared = isShared;
    this.#store = store;
    this.#clock = clock;
    this.#counts = counts;
  }

  /** Reads the message at a sequence, on any subject; undefined if none is stored there. @throws CarillonError unavailable */
  at(address: StreamAddress, sequence: number, from: ReadFrom): Promise<FoundMessage | undefined> {
    return this.#get(address, { seq: sequence }, from);
  }

  /** Reads the newest message of a subject. @throws CarillonError unavailable */
  async last(address: StreamAddress, from: ReadFrom): Promise<NatsStoredMessage | undefined> {
    return (await this.#get(address, { last_by_subj: address.subject }, from))?.message;
  }

  /** Reads the first message of a subject at or after a sequence. @throws CarillonError unavailable */
  async next(address: StreamAddress, sequence: number, from: ReadFrom): Promise<NatsStoredMessage | undefined> {
    const query = { seq: Math.max(1, sequence), next_by_subj: address.subject };
    return (await this.#get(address, query, from))?.message;
  }

  /**
   * Reads some messages of a subject at once, fewer than the range has where they are many.
   * @param few - whether single reads may be better on a server without batches
   * @returns undefined if single messages must be read
   * @throws CarillonError unavailable
   */
  many(address: StreamAddress, range: ForwardRange, few: boolean): Promise<ForwardResult | undefined> {
    const read = async (connection: NatsConnection): Promise<ForwardResult | undefined> => {
      const decode = (msg: Msg): NatsStoredMessage => this.decode(address, msg).message;
      if (supportsBatches(connection)) {
        this.#counts.reads.batch += 1;
        const batch = await readBatch(connection, address, range, this.#store.timeout, decode);
        if (batch !== undefined) return batch;
      }
      if (few) return undefined;
      this.#counts.reads.consumer += 1;
      const { first, last = Number.POSITIVE_INFINITY, messages: most } = range;
      const { msgs, pending } = await readByConsumer(connection, address, first, most, this.#store.timeout);
      const all = msgs.map((msg) => this.#decodeDelivered(address, msg));
      const messages = all.filter(({ sequence }) => sequence <= last);
      return { messages, more: pending > 0 && messages.length === all.length };
    };
    if (!this.#isShared) return this.#store.run(read);
    return this.#store.share(`many ${few} ${address.stream} ${address.subject} ${JSON.stringify(range)}`, read);
  }

  /** Decodes a message of a consumer. Its reply subject has the sequence. Source: NATS ADR-15. */
  #decodeDelivered(address: StreamAddress, msg: Msg): NatsStoredMessage {
    const tokens = (msg.reply ?? "").split(".");
    const [sequence, , nanoseconds] = tokens.slice(tokens.length < 11 ? 5 : 7).map(Number);
    const content = {
      sequence: sequence ?? 0,
      headers: new HeaderReader(msg.headers),
      payload: new Uint8Array(msg.data),
      storedAt: Math.floor((nanoseconds ?? 0) / 1_000_000),
    };
    return new NatsStoredMessage(address, content, this.#clock.now());
  }

  /** Returns the sequence of the newest message of the stream, on any subject. @throws CarillonError unavailable */
  lastSequence({ stream }: StreamAddress, from: ReadFrom): Promise<number> {
    const read = async (connection: NatsConnection): Promise<number> => {
      const manager = await connection.jetstreamManager({ timeout: this.#store.timeout, checkAPI: false });
      return (await manager.streams.info(stream)).state.last_seq;
    };
    return this.#isShared ? this.#store.share(`${from} last of ${stream}`, read) : this.#store.run(read);
  }

  #get(address: StreamAddress, query: Query, from: ReadFrom): Promise<FoundMessage | undefined> {
    const read = (connection: NatsConnection): Promise<FoundMessage | undefined> =>
      from === "any" ? this.#getDirect(connection, address, query) : this.#getFromLeader(connection, address, query);
    if (!this.#isShared) return this.#store.run(read);
    return this.#store.share(`${from} ${address.stream} ${JSON.stringify(query)}`, read);
  }

  async #getDirect(
    connection: NatsConnection,
    address: StreamAddress,
    query: Query,
  ): Promise<FoundMessage | undefined> {
    this.#counts.reads.direct += 1;
    const msg = await this.#store.request(connection, `$JS.API.DIRECT.GET.${address.stream}`, query);
    const code = msg.headers?.code ?? 0;
    if (code === NOT_FOUND) return undefined;
    if (code !== 0) throw new Error(`direct get: ${msg.headers?.description ?? code}`);
    return this.decode(address, msg);
  }

  /** Decodes the answer to a direct get. */
  decode(address: StreamAddress, msg: Msg): FoundMessage {
    const headers = new HeaderReader(msg.headers);
    const content = {
      sequence: headers.number("Nats-Sequence"),
      headers,
      // A view would keep the socket's chunk in memory.
      payload: new Uint8Array(msg.data),
      storedAt: parseTime(headers.get("Nats-Time-Stamp")),
    };
    return {
      subject: headers.get("Nats-Subject"),
      message: new NatsStoredMessage(address, content, this.#clock.now()),
    };
  }

  async #getFromLeader(
    connection: NatsConnection,
    address: StreamAddress,
    query: Query,
  ): Promise<FoundMessage | undefined> {
    this.#counts.reads.leader += 1;
    const msg = await this.#store.request(connection, `$JS.API.STREAM.MSG.GET.${address.stream}`, query);
    const { error, message } = JSON.parse(Buffer.from(msg.data).toString()) as GetResponse;
    if (error?.err_code === NO_MESSAGE_FOUND) return undefined;
    if (message === undefined) throw new Error(error?.description ?? "unexpected answer");
    const { data = "", hdrs, seq, subject, time } = message;
    const headers = new HeaderReader(hdrs === undefined ? undefined : MsgHdrsImpl.decode(Buffer.from(hdrs, "base64")));
    const content = { sequence: seq, headers, payload: Buffer.from(data, "base64"), storedAt: parseTime(time) };
    return { subject, message: new NatsStoredMessage(address, content, this.#clock.now()) };
  }
}

function parseTime(text: string): number | undefined {
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
