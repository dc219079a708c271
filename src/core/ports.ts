import type { CarillonError, ChosenClose, CloseReason } from "../errors.js";
import type { HistoryClass, HistoryStore, StoredReceipt, TopicLog } from "./history.js";
import type { Message, Publication, Stage } from "./message.js";
import type { PresenceUpdate } from "./notice.js";

/** Interfaces that the core needs from its environment. Implementations (drivers, sinks, dialects) do not know each other. */

/** Carries messages between nodes. Every driver passes test/contract/broker.ts. */
export interface BrokerDriver {
  /** False while the broker cannot be reached; joins and publishes are refused meanwhile (O9). */
  readonly up: boolean;

  /** Figures of the connection to the broker, for the metrics. */
  readonly link: BrokerLink;

  /** Stored messages of topics with history. */
  readonly history: HistoryStore;

  /**
   * Connects. Resolves when connected, and also when the broker cannot be reached yet: the driver keeps retrying.
   * @throws CarillonError failed_precondition: retrying cannot help (wrong password, unreadable file)
   */
  start(): Promise<void>;

  /** Sends pending messages and disconnects. Resolves within `deadline` milliseconds. */
  stop(deadline: number): Promise<void>;

  /**
   * Subscribes to a topic. Calls `deliver` with its messages, in the broker's order, until closed. Never throws.
   * @param history - class of the topic's history; undefined for a topic without history
   */
  subscribe(vhost: string, topic: string, receiver: MessageReceiver, history?: HistoryClass): TopicSubscription;

  /**
   * Subscribes to all topics whose names are this one, a dot, and one more segment.
   * A segment has at least one character and no dot.
   */
  subscribeBelow(vhost: string, topic: string, deliver: (name: string, message: Message) => void): Subscription;

  /**
   * Resolves when every earlier subscribe has taken effect: messages published from then on arrive, and those published
   * before have arrived. Concurrent calls share one round trip. The logs of topics with history settle by themselves.
   * @throws CarillonError unavailable
   */
  settle(): Promise<void>;

  /**
   * Checks, before anything is published, whether `publish` would accept all of these now.
   * @throws CarillonError unavailable, resource_exhausted (too many bytes pending), invalid_argument (too large for the broker)
   */
  admit(publications: readonly Publication[]): void;

  /**
   * Sends all of these at once, in order. Concurrent calls share one round trip. Never throws: the promise rejects.
   * @returns the result where the broker confirms at once. Otherwise a promise, which resolves when the broker has confirmed
   *   these, and has stored those with a history
   * @throws CarillonError unavailable (they may or may not have arrived), permission_denied
   */
  publish(publications: readonly Publication[]): Published | Promise<Published>;
}

/** Figures of a driver's connection. All are 0 where there is none. */
export interface BrokerLink {
  /** Number of times that a lost connection was restored. */
  readonly reconnects: number;
  /** Bytes sent to the broker and not confirmed yet. */
  readonly pendingBytes: number;
}

/**
 * Receives the messages of a topic. An object rather than a function, so that a driver finds the topic's state directly
 * instead of through a closure: for a message to one of many topics, every further object is a cache miss.
 */
export interface MessageReceiver {
  deliver(message: Message): void;
}

/** Result of publishing a batch. */
export interface Published {
  /** Stage of the publications without history. */
  readonly stage: Stage;
  /** Results of the publications with history, by publication. */
  readonly stored: ReadonlyMap<Publication, StoredReceipt>;
}

/** Subscription with a broker. */
export interface Subscription {
  /** Reason why the broker refuses the subscription; known once settled. */
  readonly refusal: CarillonError | undefined;
  close(): void;
}

/** Subscription of one topic. */
export interface TopicSubscription extends Subscription {
  /** Undefined for a topic without history. */
  readonly log: TopicLog | undefined;
  /** Changes the class of the topic's history without losing a message. Messages stored before stay in the earlier class. */
  changeHistory(history: HistoryClass | undefined): void;
}

/** Finds the brokers that a vhost may use. */
export interface BrokerDirectory {
  /**
   * @param name - "" for the vhost's default
   * @throws CarillonError not_found, listing the known names
   */
  resolve(vhost: string, name: string): NamedBroker;
}

export interface NamedBroker {
  readonly name: string;
  readonly driver: BrokerDriver;
}

/** Destination of one session's frames. Writing never blocks and never throws. */
export interface Sink {
  /** Bytes written that the peer's connection has not accepted yet. */
  readonly backlog: number;
  /** Writes complete frames. Other sinks share the bytes: they must not be changed. */
  write(frames: Uint8Array): void;
  /** Writes several buffers of complete frames in one write. */
  writeAll(frames: readonly Uint8Array[]): void;
  /** Calls `run` once, later, when the connection has accepted everything. Never calls it when the connection ends first. */
  onceDrained(run: () => void): void;
  /** Closes the connection after the bytes written so far, and tells the peer the reason. */
  end(reason: CloseReason | ChosenClose): void;
}

/**
 * Prepares templates of consecutive messages, and returns a function that makes one session's frames of them: in one buffer,
 * or in several where larger parts are shared with the templates. Its `count` is the number of the session's first message
 * among them, from 1.
 */
export type CountedFrames = (templates: readonly Uint8Array[]) => (count: number) => readonly Uint8Array[];

/** Encodes a dialect's messages as complete frames. Sessions with the same Encoding object share the bytes. */
export interface Encoding {
  /** Returns the text that the frames of all messages of a topic share. It is made once for many messages. */
  topicText(topic: string): string;
  /** Encodes a message. @param topicText - {@link topicText} of its topic */
  frame(message: Message, topicText: string): Uint8Array;
  /** Numbers messages by session: `frame` then makes shared templates. Undefined if all sessions get the same frames. */
  readonly countedFrames?: CountedFrames | undefined;
  /** Whether sessions change the frames of messages by their own `SessionFrames`, so that each frame must be kept. */
  readonly personal?: boolean;
  /** Encodes the notice that a client missed messages of a topic; undefined if the dialect has none. */
  laggedFrame(topic: string, missed: number): Uint8Array | undefined;
  /** Encodes a presence event; undefined if the dialect has none. */
  presenceFrame(update: PresenceUpdate): Uint8Array | undefined;
}

/** Source of time, which tests replace. */
export interface Clock {
  /** Milliseconds since the epoch by the wall clock, which may be set and differs between machines. */
  now(): number;
  /** Milliseconds since an arbitrary moment of this process. Never goes back: for durations. */
  monotonic(): number;
  /** Calls `run` once after `milliseconds`. Returns a function that cancels it. */
  after(milliseconds: number, run: () => void): () => void;
}

/** Calls `run` at the end of this turn of the event loop, after all I/O of the turn. */
export type EndOfTurn = (run: () => void) => void;
