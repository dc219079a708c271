import type { Msg, NatsConnection } from "nats";
import type { HistoryClass, TopicLog } from "../../core/history.js";
import type { Message } from "../../core/message.js";
import type { Clock } from "../../core/ports.js";
import { HistoryCounts } from "../../history/history-counts.js";
import type { NatsEvents } from "../link/link.js";
import type { NatsOptions } from "../link/options.js";
import { LogChecks } from "./log/log-checks.js";
import { LogSequencer } from "./log/log-sequencer.js";
import { NatsHistoryStore } from "./nats-history-store.js";
import { NatsTopicLog } from "./nats-topic-log.js";
import { LogReader } from "./read/log-reader.js";
import { StoreConnection } from "./read/store-connection.js";
import { SubjectReader } from "./read/subject-reader.js";
import { type DuplicateCopy, StorePublisher } from "./store-publisher.js";
import { ClassStreams } from "./streams/class-streams.js";

export interface NatsHistoryOptions {
  /** Name of the broker, for errors. */
  readonly broker: string;
  readonly nats: NatsOptions;
  readonly clock: Clock;
  readonly events: NatsEvents;
  /** Connection of the live messages, on which messages are stored too. */
  readonly connection: () => NatsConnection | undefined;
  /** Called with bytes whose acknowledgement has timed out, which the connection may still hold. */
  readonly onOverdue: (bytes: number) => void;
  /** Interval at which each subscribed topic is compared with the store, in milliseconds. */
  readonly checkInterval?: number | undefined;
}

/** A subscribed topic with history. */
export interface LoggedTopic {
  readonly log: TopicLog;
  readonly receive: (msg: Msg, plain: Message) => void;
  /** Called when the server has confirmed the subscription, also after a reconnect. */
  readonly onActive: () => void;
  readonly close: () => void;
}

/** The history of a NATS broker: one JetStream stream for each vhost and class. */
export class NatsHistory {
  readonly counts = new HistoryCounts();
  readonly store: NatsHistoryStore;
  readonly publisher: StorePublisher;
  readonly #options: NatsHistoryOptions;
  readonly #connection: StoreConnection;
  readonly #streams: ClassStreams;
  readonly #reader: SubjectReader;
  readonly #fresh: SubjectReader;
  readonly #logReader: LogReader;
  readonly #checks: LogChecks;
  #isStopped = false;

  constructor(options: NatsHistoryOptions) {
    const { broker, checkInterval, clock, connection, events, nats, onOverdue } = options;
    const { counts } = this;
    this.#options = options;
    this.#checks = new LogChecks(clock, checkInterval);
    this.#connection = new StoreConnection({
      broker,
      nats,
      clock,
      events,
      counts,
      onConnected: () => {
        this.#streams.loseAll();
      },
    });
    this.#streams = new ClassStreams({ store: this.#connection, prefix: nats.prefix, clock });
    this.#reader = new SubjectReader(this.#connection, clock, counts, true);
    this.#fresh = new SubjectReader(this.#connection, clock, counts, false);
    this.#logReader = new LogReader(this.#reader);
    this.store = new NatsHistoryStore({
      store: this.#connection,
      streams: this.#streams,
      reader: this.#reader,
      fresh: this.#fresh,
      logReader: this.#logReader,
      clock,
      counts,
    });
    this.publisher = new StorePublisher({
      broker,
      clock,
      timeout: nats.confirmTimeout,
      counts,
      connection,
      findStream: (vhost, history) => this.#streams.find(vhost, history),
      readPosition: (copy, sequence) => this.#readPosition(copy, sequence),
      onOverdue,
    });
  }

  /** @param hasMembers - whether the topic had another log before, or none */
  subscribe(
    vhost: string,
    topic: string,
    history: HistoryClass,
    deliver: (message: Message) => void,
    hasMembers: boolean,
  ): LoggedTopic {
    const { clock } = this.#options;
    const { onError } = this.#options.events;
    const context = { fresh: this.#fresh, clock, counts: this.counts, onError };
    const sequencer = new LogSequencer(context, this.#streams.find(vhost, history), topic, deliver, hasMembers);
    this.#checks.add(sequencer);
    const replays = {
      reader: this.#reader,
      logReader: this.#logReader,
      clock,
      counts: this.counts,
      isStopped: () => this.#isStopped,
      onError,
    };
    return {
      log: new NatsTopicLog(replays, sequencer),
      receive: (msg, plain) => {
        sequencer.receive(msg, plain);
      },
      onActive: () => {
        sequencer.activate();
      },
      close: () => {
        this.#checks.remove(sequencer);
        sequencer.close();
      },
    };
  }

  /** Reads the position of a stored message whose id was published again; "" if the message has been removed. */
  async #readPosition({ publication, stream }: DuplicateCopy, sequence: number): Promise<string> {
    const address = stream.addressOf(publication.topic);
    const found = await this.#fresh.at(address, sequence, stream.isReplicated ? "leader" : "any");
    return found?.subject === address.subject ? found.message.position : "";
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.publisher.stop();
    this.#checks.stop();
    await this.#connection.stop();
  }
}
