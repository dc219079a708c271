import { randomBytes } from "node:crypto";
import type { HistoryClass } from "../../../core/history.js";
import type { Clock } from "../../../core/ports.js";
import { CarillonError } from "../../../errors.js";
import { ignore } from "../../../util/ignore.js";
import type { StreamAddress } from "../position.js";
import type { StoreConnection } from "../read/store-connection.js";
import { openStream } from "./open-stream.js";
import { toAnchorSubject, toHistorySubject } from "./stream-names.js";

/** Time for which a failed attempt to open a stream is not repeated, in milliseconds. */
const FAILURE_PAUSE = 500;

/** A message on a subject of its own, whose presence proves that a stream is still the same. */
export interface Anchor {
  readonly sequence: number;
  readonly id: string;
}

export interface ClassStreamOptions {
  readonly store: StoreConnection;
  readonly prefix: string;
  readonly clock: Clock;
  /** Returns the deletion of a vhost of this name that is in progress, which never rejects. */
  readonly deletionOf: (vhost: string) => Promise<void> | undefined;
}

/** The stream of a class of one vhost. Opened on first use, and again after it was lost. */
export class ClassStream {
  readonly vhost: string;
  readonly #options: ClassStreamOptions;
  #history: HistoryClass;
  #name = "";
  #replicas = 1;
  #keptMessages = 0;
  #notice: string | undefined;
  #opening: Promise<void> | undefined;
  #ready = false;
  #isRetired = false;
  #created = "";
  /** Storage of the settings before their latest change, until the stream has been opened with the new ones. */
  #replaces: HistoryClass["storage"] | undefined;
  #failure: { readonly cause: CarillonError; readonly until: number } | undefined;
  #anchor: (Anchor & { readonly writtenAt: number }) | undefined;

  constructor(options: ClassStreamOptions, vhost: string, history: HistoryClass) {
    this.#options = options;
    this.vhost = vhost;
    this.#history = history;
  }

  get history(): HistoryClass {
    return this.#history;
  }

  /** Name of the stream; "" until it has been opened. */
  get name(): string {
    return this.#name;
  }

  /** Time at which the stream was created, as the server tells it; "" until it has been opened. */
  get created(): string {
    return this.#created;
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Whether its vhost was deleted. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** Whether replicas may answer that lag behind the leader. */
  get isReplicated(): boolean {
    return this.#replicas > 1;
  }

  /** Maximum number of messages of a topic that the stream has kept since its oldest anchor. */
  get keptMessages(): number {
    return this.#keptMessages;
  }

  toSubject(topic: string): string {
    return toHistorySubject(this.#options.prefix, this.#history.name, this.vhost, topic);
  }

  addressOf(topic: string): StreamAddress {
    return { stream: this.#name, subject: this.toSubject(topic) };
  }

  /**
   * Opens the stream if it is not open. Concurrent calls share one attempt.
   * @throws CarillonError unavailable, failed_precondition
   */
  async open(): Promise<void> {
    if (this.#ready) return;
    if (this.#isRetired) throw new CarillonError("failed_precondition", "the vhost was deleted");
    if (this.#failure !== undefined && this.#failure.until > this.#options.clock.monotonic()) throw this.#failure.cause;
    this.#opening ??= this.#open();
    await this.#opening;
  }

  /** Called when requests find no stream. The next use opens it again. */
  markLost(): void {
    this.#ready = false;
    this.#anchor = undefined;
  }

  /** Closes the stream, because its vhost was deleted. Resolves when no request is on its way that could create it. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    this.markLost();
    await this.#opening?.catch(ignore);
    // An attempt that has succeeded meanwhile has opened a stream that is about to be deleted.
    this.markLost();
  }

  /** Lets the stream be opened again, for a new vhost of the same name. */
  reuse(history: HistoryClass): void {
    if (!this.#isRetired) return;
    this.#isRetired = false;
    this.#history = history;
    this.#replaces = undefined;
    this.#failure = undefined;
  }

  /**
   * Opens the stream with these settings, and changes it as they require. The storage of a stream cannot be changed: it is
   * replaced only when the settings of this process change from its storage to another. Otherwise a node with other settings
   * would remove the messages of all nodes by its start.
   * @returns a notice for the operator; undefined if everything is as wanted
   * @throws CarillonError unavailable, failed_precondition
   */
  async prepare(history: HistoryClass): Promise<string | undefined> {
    this.reuse(history);
    await this.#opening?.catch(ignore);
    if (this.#history.storage !== history.storage) this.#replaces = this.#history.storage;
    this.#history = history;
    this.#opening = this.#open();
    await this.#opening;
    return this.#notice;
  }

  async #open(): Promise<void> {
    const { clock, deletionOf, prefix, store } = this.#options;
    const { vhost } = this;
    await deletionOf(vhost);
    const request = { prefix, vhost, history: this.#history, replaces: this.#replaces, timeout: store.timeout };
    try {
      const { created, messages, name, notice, replicas } = await store.run((connection) =>
        openStream(connection, request),
      );
      // Anchors are removed when the number of messages is raised.
      if (created !== this.#created || messages !== this.#keptMessages) this.#anchor = undefined;
      this.#keptMessages = messages;
      this.#replaces = undefined;
      this.#created = created;
      this.#name = name;
      this.#replicas = replicas;
      this.#notice = notice;
      this.#ready = !this.#isRetired;
      this.#failure = undefined;
    } catch (cause) {
      const error = CarillonError.from(cause);
      if (error.code === "failed_precondition") this.markLost();
      this.#failure = { cause: error, until: clock.monotonic() + FAILURE_PAUSE };
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  /**
   * Returns an anchor of this node that is at most a quarter of the class's age old.
   * @throws CarillonError unavailable
   */
  async anchor(): Promise<Anchor> {
    const { clock, prefix, store } = this.#options;
    await this.open();
    const known = this.#anchor;
    if (known !== undefined && clock.monotonic() - known.writtenAt < this.#history.age / 4) return known;
    return store.share(`anchor ${this.#name}`, async (connection) => {
      const id = randomBytes(12).toString("base64url");
      const writtenAt = clock.monotonic();
      const subject = toAnchorSubject(prefix, this.#history.name, this.vhost, id);
      const msg = await store.request(connection, subject, {});
      const { error, seq } = JSON.parse(Buffer.from(msg.data).toString()) as {
        readonly seq?: number;
        readonly error?: { readonly description?: string };
      };
      if (seq === undefined) throw new Error(error?.description ?? "the anchor was not stored");
      const anchor = { id, sequence: seq, writtenAt };
      this.#anchor = anchor;
      return anchor;
    });
  }

  /** Returns the id of an anchor of this class from its subject; undefined for another subject. */
  toAnchorId(subject: string): string | undefined {
    const begin = toAnchorSubject(this.#options.prefix, this.#history.name, this.vhost, "");
    return subject.startsWith(begin) ? subject.slice(begin.length) : undefined;
  }
}
