import type { CarillonError, ChosenClose, CloseReason } from "../errors.js";
import type { Message, Publication, Stage } from "./message.js";
import type { PresenceNews } from "./notice.js";

/**
 * What the core asks of the outside. Each interface is what Carillon needs and no more; the drivers, sinks and dialects
 * that implement them know nothing of each other.
 */

/** A way for messages to travel between nodes. Every driver passes test/contract/broker.ts. */
export interface BrokerDriver {
  /** False while the broker is away: joins and publishes are then refused (O9). */
  readonly up: boolean;

  /**
   * Connects. Resolves when up, and also when the broker cannot be reached yet: the driver then goes on trying.
   * @throws CarillonError failed_precondition when trying again cannot help (wrong password, unreadable file)
   */
  start(): Promise<void>;

  /** Sends what is waiting and disconnects. Resolves within the time given, in milliseconds. */
  stop(deadline: number): Promise<void>;

  /** Asks for the messages of one topic. They come to `deliver` in the broker's order, until closed. Never throws. */
  subscribe(vhost: string, topic: string, deliver: (message: Message) => void): Subscription;

  /**
   * The same for all topics whose names are this one, a dot, and one segment more.
   * A segment is at least one character, and none of them a dot.
   */
  subscribeBelow(vhost: string, topic: string, deliver: (name: string, message: Message) => void): Subscription;

  /**
   * Resolves when every subscribe before it has taken effect: messages published from then on arrive, and those
   * published before have arrived. Calls that wait share one round trip.
   * @throws CarillonError unavailable
   */
  settle(): Promise<void>;

  /**
   * Says, before anything is published, whether publish would take all of these now.
   * @throws CarillonError unavailable, resource_exhausted (too much is waiting), invalid_argument (too large for it)
   */
  admit(publications: readonly Publication[]): void;

  /**
   * Sends all of these, in order, at once, and resolves with the stage that they have reached. Waiting calls share one
   * round trip.
   * @throws CarillonError unavailable (they may or may not have arrived), permission_denied
   */
  publish(publications: readonly Publication[]): Promise<Stage>;
}

/** A topic's subscription with a broker. */
export interface Subscription {
  /** Why the broker does not let this node hear the topic; known once settled. */
  readonly refusal: CarillonError | undefined;
  close(): void;
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

/** Where one session's frames go. Writing never blocks and never throws. */
export interface Sink {
  /** Bytes written that the peer's connection has not taken yet. */
  readonly backlog: number;
  /** Takes complete frames; they are shared with other sinks and must not be changed. */
  write(frames: Uint8Array): void;
  /** The same for several, in one write. */
  writeAll(frames: readonly Uint8Array[]): void;
  /** Calls once, later, when the connection has taken everything. Never, when it ends before. */
  onceDrained(run: () => void): void;
  /** Ends the connection after what has been written, telling the peer why. */
  end(reason: CloseReason | ChosenClose): void;
}

/** Makes the frame of a message. What a topic's frames have in common is worked out once, when the maker is made. */
export type FrameMaker = (message: Message) => Uint8Array;

/**
 * Makes frames of what a frame maker has made for messages that come together. What it gives makes those of one session, one
 * after the other: in one piece, or in several where larger parts are the templates' own.
 * count: which of the session's messages the first of them is, from 1
 */
export type CountedFrames = (templates: readonly Uint8Array[]) => (count: number) => readonly Uint8Array[];

/** A dialect's way to write messages, header included. Sessions with the same Encoding object share the bytes. */
export interface Encoding {
  frameMaker(topic: string): FrameMaker;
  /**
   * Where each session counts what it is sent: frame makers make templates then, which all share, and this makes frames of
   * them. Undefined: frames are the same for everybody.
   */
  readonly countedFrames?: CountedFrames | undefined;
  /** Tells a client that it has missed so many messages of a topic; undefined where clients are not told. */
  laggedFrame(topic: string, missed: number): Uint8Array | undefined;
  /** Tells who has come and gone; undefined where clients are not told. */
  presenceFrame(news: PresenceNews): Uint8Array | undefined;
}

/** Time, so that tests own it. */
export interface Clock {
  /** Milliseconds since the epoch, by the machine's wall clock: it may be set, and those of other machines differ. */
  now(): number;
  /** Milliseconds since an arbitrary moment of this process, never set back: for durations. */
  monotonic(): number;
  /** Runs once after so many milliseconds, unless the function it returns is called before. */
  after(milliseconds: number, run: () => void): () => void;
}

/** Runs something at the end of this turn of the event loop, after all I/O of the turn. */
export type EndOfTurn = (run: () => void) => void;
