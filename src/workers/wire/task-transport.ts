import { types } from "node:util";
import type { Bus } from "../../cluster/bus.js";
import type { Cluster } from "../../cluster/cluster.js";
import { type Reassembler, Splitter } from "../../cluster/fragments.js";
import type { Clock, EndOfTurn } from "../../core/ports.js";
import { ReportLimiter } from "../../util/report-limiter.js";
import type { WorkerPlace } from "../directory/directory.js";
import { decodeTaskMessages, encodeTaskMessage, type Offer, type TaskMessage } from "./task-messages.js";

/** Words to one node that are gathered to one message, in bytes: parts that are cut are larger (cluster/fragments.ts). */
const MESSAGE_BYTES = 48 << 10;
/** What the nodes with workers of a pattern listen to as one. */
const GROUP = "workers";
/** Begins a message, before the length of the sender's name, the name, and the words. No part begins so. */
const MARK = 0x02;
const HEAD = 2;

export interface TaskTransportOptions {
  readonly cluster: Cluster;
  /** Started before and stopped after this. */
  readonly bus: Bus;
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
  readonly onError: (message: string) => void;
}

export interface TaskTransportEvents {
  onWord(from: string, word: TaskMessage): void;
  /** Nobody at all listens to an offer of this node to a group. */
  onUnheard(task: number, offer: number): void;
  /** The node that was offered something is not on the bus. */
  onUnreachable(node: string): void;
}

interface Outgoing {
  words: Uint8Array[];
  bytes: number;
  withOffer: boolean;
}

/**
 * Carries words between the nodes' tasks. What is said to one node in one turn goes in one message; what a node says to
 * itself needs no bus. Each node hears another's words in the order said, but for offers to a group.
 */
export class TaskTransport {
  readonly #options: TaskTransportOptions;
  readonly #events: TaskTransportEvents;
  readonly #node: string;
  readonly #head: Uint8Array;
  readonly #cutter: Splitter;
  readonly #joiner: Reassembler;
  readonly #outgoing = new Map<string, Outgoing>();
  #own: TaskMessage[] = [];
  #waitsForEnd = false;
  #unsubscribe: (() => void) | undefined;
  readonly #nonsense: ReportLimiter;

  constructor(options: TaskTransportOptions, events: TaskTransportEvents) {
    this.#options = options;
    this.#events = events;
    const { bus, clock, cluster } = options;
    this.#node = cluster.node;
    this.#head = Buffer.from([MARK, Buffer.byteLength(this.#node), ...Buffer.from(this.#node)]);
    this.#cutter = new Splitter(this.#node);
    this.#joiner = cluster.createJoiner();
    this.#nonsense = new ReportLimiter({
      clock,
      burst: 1,
      onOmitted: (_kind, count) => {
        options.onError(`ignored ${count} further messages about tasks that no node sends`);
      },
    });
    if (bus.shared) bus.onUnheard(this.#onUnheard);
  }

  /** Whether other nodes can be reached. */
  get up(): boolean {
    return this.#options.bus.up;
  }

  start(): void {
    const { bus } = this.#options;
    if (bus.shared) this.#unsubscribe = bus.subscribe(subjectOfNode(this.#node), this.#onMessage);
  }

  /** What has been said is sent at once; nothing is heard any more. */
  stop(): void {
    this.flush();
    this.#nonsense.stop();
    this.#unsubscribe?.();
  }

  send(to: string, word: TaskMessage): void {
    if (to === this.#node) {
      this.#sendToSelf(word);
      return;
    }
    const bytes = encodeTaskMessage(word);
    let outgoing = this.#outgoing.get(to);
    if (outgoing !== undefined && outgoing.bytes + bytes.length > MESSAGE_BYTES) this.#publish(to, outgoing);
    outgoing = this.#outgoing.get(to);
    if (outgoing === undefined) {
      outgoing = { words: [this.#head], bytes: this.#head.length, withOffer: false };
      this.#outgoing.set(to, outgoing);
    }
    outgoing.words.push(bytes);
    outgoing.bytes += bytes.length;
    outgoing.withOffer ||= word.type === "offer";
    this.#flushLater();
  }

  /**
   * To one of the nodes that have workers of a pattern.
   * @returns false for one that is too large: its parts would go to different nodes
   */
  offer(place: WorkerPlace, word: Offer): boolean {
    const message = Buffer.concat([this.#head, encodeTaskMessage(word)]);
    if (message.length > MESSAGE_BYTES) return false;
    this.#options.bus.offer(subjectOfPlace(place), message, `t-${word.task}-${word.offer}`);
    return true;
  }

  /** This node has workers of a pattern. @returns ends it */
  takePart(place: WorkerPlace): () => void {
    const { bus } = this.#options;
    return bus.shared ? bus.subscribe(subjectOfPlace(place), this.#onMessage, GROUP) : ignore;
  }

  /** Resolves when the bus knows of everything above, or cannot be reached. */
  async confirm(): Promise<void> {
    await this.#options.bus.flush().catch(ignore);
  }

  /** Sends what waits for the end of the turn. */
  flush(): void {
    for (const [to, outgoing] of this.#outgoing) this.#publish(to, outgoing);
  }

  #publish(to: string, { withOffer, words }: Outgoing): void {
    this.#outgoing.delete(to);
    const { bus } = this.#options;
    for (const message of this.#cutter.cut(Buffer.concat(words))) {
      if (withOffer) bus.offer(subjectOfNode(to), message, `n-${to}`);
      else bus.publish(subjectOfNode(to), message);
    }
  }

  #flushLater(): void {
    if (this.#waitsForEnd) return;
    this.#waitsForEnd = true;
    this.#options.endOfTurn(() => {
      this.#waitsForEnd = false;
      this.flush();
    });
  }

  /** Later, as words of others: whoever says something has finished before it is answered. */
  #sendToSelf(word: TaskMessage): void {
    this.#own.push(word);
    if (this.#own.length > 1) return;
    queueMicrotask(() => {
      const words = this.#own;
      this.#own = [];
      for (const each of words) this.#tell(this.#node, each);
    });
  }

  readonly #onMessage = (message: Uint8Array): void => {
    const joined = this.#joiner.take(message);
    if (joined?.word === undefined) {
      if (joined === undefined) this.#refuseNonsense();
      return;
    }
    const read = this.#read(joined.word);
    if (read === undefined) this.#refuseNonsense();
    else for (const word of read.words) this.#tell(read.from, word);
  };

  #read(message: Uint8Array): { readonly from: string; readonly words: readonly TaskMessage[] } | undefined {
    const end = HEAD + (message[1] ?? 0);
    if (message[0] !== MARK || message.length < end) return undefined;
    try {
      const from = Buffer.from(message.subarray(HEAD, end)).toString("latin1");
      return { from, words: decodeTaskMessages(message.subarray(end)) };
    } catch {
      return undefined;
    }
  }

  #tell(from: string, word: TaskMessage): void {
    try {
      this.#events.onWord(from, word);
    } catch (fault) {
      const reason = types.isNativeError(fault) ? fault.message : String(fault);
      this.#options.onError(`taking ${word.type} of a task from node ${from} failed: ${reason}`);
    }
  }

  readonly #onUnheard = (id: string): void => {
    if (id.startsWith("n-")) {
      this.#events.onUnreachable(id.slice(2));
      return;
    }
    const [, task, offer] = /^t-(\d+)-(\d+)$/.exec(id) ?? [];
    if (task !== undefined) this.#events.onUnheard(Number(task), Number(offer));
  };

  #refuseNonsense(): void {
    this.#nonsense.report("nonsense", () => {
      this.#options.onError("ignored a message about tasks that no node sends");
    });
  }
}

function subjectOfNode(node: string): string {
  return `tasks.${node}`;
}

/** Vhosts and patterns hold what a subject cannot. */
function subjectOfPlace([vhost, pattern]: WorkerPlace): string {
  return `work.${tokenOf(vhost)}.${tokenOf(pattern)}`;
}

function tokenOf(text: string): string {
  return Buffer.from(text).toString("base64url");
}

function ignore(): void {}
