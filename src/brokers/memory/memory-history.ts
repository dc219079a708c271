import type { HistoryClass, HistoryPage, HistoryQuery, HistoryStore, StoredTopic } from "../../core/history.js";
import type { Publication } from "../../core/message.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import { HistoryCounts } from "../../history/history-counts.js";
import { computeMessageSize } from "../../history/message-ring.js";
import { selectPage } from "../../history/select-messages.js";
import { Positions } from "./positions.js";
import { type Appended, StoredClass } from "./stored-class.js";
import { computeLogSize, type StoredLog } from "./stored-log.js";

/** The classes of a driver by vhost and name. */
export class MemoryHistory implements HistoryStore {
  readonly counts = new HistoryCounts();
  readonly #clock: Clock;
  readonly #positions = new Positions();
  readonly #sequences = { last: 0 };
  readonly #vhosts = new Map<string, Map<string, StoredClass>>();
  #up = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False once the driver has stopped. */
  get up(): boolean {
    return this.#up;
  }

  stop(): void {
    this.#up = false;
    for (const classes of this.#vhosts.values()) for (const each of classes.values()) each.clear();
    this.#vhosts.clear();
  }

  /** @throws CarillonError invalid_argument: larger than the bounds of its class */
  admit({ history, message, topic }: Publication): void {
    if (history === undefined) return;
    const limit = Math.min(history.bytes - computeLogSize(topic), history.topicBytes ?? Number.POSITIVE_INFINITY);
    const size = computeMessageSize(message);
    if (size <= limit) return;
    const where = `history ${JSON.stringify(history.name)} of topic ${JSON.stringify(topic)}`;
    throw invalidArgument(`payload: ${size} bytes with metadata, the limit of ${where} is ${limit}`);
  }

  append(history: HistoryClass, publication: Publication): Appended {
    return this.classFor(publication.vhost, history).append(publication);
  }

  async read({ history, topic, vhost }: StoredTopic, query: HistoryQuery): Promise<HistoryPage> {
    this.#checkUp();
    const stored = this.classFor(vhost, history);
    const log = stored.hold(topic);
    try {
      stored.refresh(log);
      return { ...selectPage(this.#selectMessages(log, query), query), position: this.positionOf(log) };
    } finally {
      stored.release(log);
    }
  }

  async purge({ history, topic, vhost }: StoredTopic): Promise<number> {
    this.#checkUp();
    return this.classFor(vhost, history).purge(topic);
  }

  async prepareClasses(vhost: string, classes: readonly HistoryClass[]): Promise<readonly string[]> {
    const known = this.#vhosts.get(vhost);
    if (known === undefined) return [];
    const settings = new Map(classes.map((each) => [each.name, each]));
    for (const [name, stored] of known) {
      const changed = settings.get(name);
      if (changed !== undefined) stored.changeSettings(changed);
      else stored.clear();
      if (stored.isUnused && changed === undefined) known.delete(name);
    }
    if (known.size === 0) this.#vhosts.delete(vhost);
    return [];
  }

  async deleteVhost(vhost: string): Promise<void> {
    await this.prepareClasses(vhost, []);
  }

  classFor(vhost: string, history: HistoryClass): StoredClass {
    const classes = this.#vhosts.get(vhost) ?? new Map<string, StoredClass>();
    this.#vhosts.set(vhost, classes);
    let stored = classes.get(history.name);
    if (stored === undefined) {
      stored = new StoredClass(history, {
        vhost,
        clock: this.#clock,
        positions: this.#positions,
        sequences: this.#sequences,
        counts: this.counts,
      });
      classes.set(history.name, stored);
    }
    return stored;
  }

  /** Returns the position after the newest message, or after everything that the driver has stored until now. */
  positionOf(log: StoredLog): string {
    return log.ring.newest?.position ?? log.encode(this.#sequences.last);
  }

  #selectMessages(log: StoredLog, { after, before, since, until }: HistoryQuery) {
    const { ring } = log;
    const first = after === undefined ? ring.base : readPosition(log, "after", after);
    const end = before === undefined ? Number.POSITIVE_INFINITY : readPosition(log, "before", before);
    const begin = Math.max(
      ring.countUntil(({ sequence }) => sequence <= first),
      since === undefined ? 0 : ring.countUntil(({ time }) => time < since),
    );
    const stop = Math.min(
      ring.countUntil(({ sequence }) => sequence < end),
      until === undefined ? ring.length : ring.countUntil(({ time }) => time <= until),
    );
    return ring.slice(begin, stop);
  }

  #checkUp(): void {
    if (!this.#up) throw new CarillonError("unavailable", "the memory broker has stopped");
  }
}

function readPosition({ address, positions, ring }: StoredLog, name: string, position: string): number {
  const sequence = positions.decode(address, position);
  if (sequence === undefined) {
    throw new CarillonError("failed_precondition", `unknown_position: ${name} is not a position of this topic`);
  }
  if (sequence < ring.base) {
    throw new CarillonError("failed_precondition", `expired: messages after ${name} have been removed`);
  }
  return sequence;
}
