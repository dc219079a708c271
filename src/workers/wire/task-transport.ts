import type { Bus } from "../../cluster/bus.js";
import type { Cluster } from "../../cluster/cluster.js";
import { type Reassembler, Splitter } from "../../cluster/fragments.js";
import type { Clock, EndOfTurn } from "../../core/ports.js";
import { ignore } from "../../util/ignore.js";
import { errorText } from "../../util/native-error.js";
import { ReportLimiter } from "../../util/report-limiter.js";
import type { WorkerPattern } from "../directory/directory.js";
import {
  type CallerMessage,
  decodeTaskMessages,
  type ExecutorMessage,
  encodeTaskMessage,
  isForExecutor,
  type Offer,
  type TaskMessage,
} from "./task-messages.js";

/** Maximum number of bytes sent together, below a fragment's size (cluster/fragments.ts). A larger message is sent alone. */
const TRANSMISSION_BYTES = 48 << 10;
/** Queue group of the nodes that have workers of a pattern. */
const GROUP = "workers";
/** First byte of a transmission; no fragment begins with it. The sender's length and name, and the messages, follow. */
const MARK = 0x02;
const HEAD = 2;

export interface TaskTransportOptions {
  readonly cluster: Cluster;
  /** Started before the transport and stopped after it. */
  readonly bus: Bus;
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
  readonly onError: (message: string) => void;
}

/** Receives messages about the tasks that were requested at this node. */
export interface CallerReceiver {
  receive(from: string, message: CallerMessage): void;
  /** Called when the group to which this node offered a task has no subscriber. */
  onNoSubscriber(task: number, offer: number): void;
  /** Called when a node that was offered a task is not subscribed to the bus. */
  onUnreachable(node: string): void;
}

/** Receives messages about the tasks that this node's workers execute. */
export interface ExecutorReceiver {
  receive(from: string, message: ExecutorMessage): void;
}

interface Outgoing {
  messages: Uint8Array[];
  bytes: number;
  withOffer: boolean;
}

/**
 * Carries messages between callers and executors. Messages within this node bypass the bus. Messages to one node in one turn
 * are sent together. They arrive in the order sent, except for offers to a group.
 */
export class TaskTransport {
  readonly #options: TaskTransportOptions;
  #caller: CallerReceiver | undefined;
  #executor: ExecutorReceiver | undefined;
  readonly #node: string;
  readonly #head: Uint8Array;
  readonly #splitter: Splitter;
  readonly #reassembler: Reassembler;
  readonly #outgoing = new Map<string, Outgoing>();
  #own: TaskMessage[] = [];
  #waitsForEnd = false;
  #unsubscribe: (() => void) | undefined;
  readonly #invalid: ReportLimiter;

  constructor(options: TaskTransportOptions) {
    this.#options = options;
    const { bus, clock, cluster } = options;
    this.#node = cluster.node;
    this.#head = Buffer.from([MARK, Buffer.byteLength(this.#node), ...Buffer.from(this.#node)]);
    this.#splitter = new Splitter(this.#node);
    this.#reassembler = cluster.createReassembler();
    this.#invalid = new ReportLimiter({
      clock,
      burst: 1,
      onOmitted: (_kind, count) => {
        options.onError(`ignored ${count} further invalid messages about tasks`);
      },
    });
    if (bus.shared) bus.onNoSubscriber(this.#onNoSubscriber);
  }

  /** Whether other nodes can be reached. */
  get up(): boolean {
    return this.#options.bus.up;
  }

  /** Connects the receivers, before anything is sent. */
  connect(caller: CallerReceiver, executor: ExecutorReceiver): void {
    this.#caller = caller;
    this.#executor = executor;
  }

  start(): void {
    const { bus } = this.#options;
    if (bus.shared) this.#unsubscribe = bus.subscribe(subjectOfNode(this.#node), this.#onTransmission);
  }

  /** Sends the pending messages at once, and stops receiving. */
  stop(): void {
    this.flush();
    this.#invalid.stop();
    this.#unsubscribe?.();
  }

  send(to: string, message: TaskMessage): void {
    if (to === this.#node) {
      this.#sendToSelf(message);
      return;
    }
    const bytes = encodeTaskMessage(message);
    let outgoing = this.#outgoing.get(to);
    if (outgoing !== undefined && outgoing.bytes + bytes.length > TRANSMISSION_BYTES) this.#publish(to, outgoing);
    outgoing = this.#outgoing.get(to);
    if (outgoing === undefined) {
      outgoing = { messages: [this.#head], bytes: this.#head.length, withOffer: false };
      this.#outgoing.set(to, outgoing);
    }
    outgoing.messages.push(bytes);
    outgoing.bytes += bytes.length;
    outgoing.withOffer ||= message.type === "offer";
    this.#flushLater();
  }

  /**
   * Offers a task to one of the nodes that have workers of a pattern.
   * @returns false for an offer that is too large: its fragments would go to different nodes
   */
  offer(workerPattern: WorkerPattern, offer: Offer): boolean {
    const transmission = Buffer.concat([this.#head, encodeTaskMessage(offer)]);
    if (transmission.length > TRANSMISSION_BYTES) return false;
    this.#options.bus.offer(toGroupSubject(workerPattern), transmission, `t-${offer.task}-${offer.offer}`);
    return true;
  }

  /** Listens for offers to workers of a pattern. @returns a function that ends the subscription */
  join(workerPattern: WorkerPattern): () => void {
    const { bus } = this.#options;
    return bus.shared ? bus.subscribe(toGroupSubject(workerPattern), this.#onTransmission, GROUP) : ignore;
  }

  /** Resolves when the bus has processed all earlier messages and subscriptions, or is disconnected. */
  async confirm(): Promise<void> {
    await this.#options.bus.flush().catch(ignore);
  }

  /** Sends the messages that wait for the end of the turn. */
  flush(): void {
    for (const [to, outgoing] of this.#outgoing) this.#publish(to, outgoing);
  }

  #publish(to: string, { messages, withOffer }: Outgoing): void {
    this.#outgoing.delete(to);
    const { bus } = this.#options;
    for (const fragment of this.#splitter.split(Buffer.concat(messages))) {
      if (withOffer) bus.offer(subjectOfNode(to), fragment, `n-${to}`);
      else bus.publish(subjectOfNode(to), fragment);
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

  /** Delivers in a microtask, so that the sender's code finishes before an answer arrives. */
  #sendToSelf(message: TaskMessage): void {
    this.#own.push(message);
    if (this.#own.length > 1) return;
    queueMicrotask(() => {
      const messages = this.#own;
      this.#own = [];
      for (const each of messages) this.#deliver(this.#node, each);
    });
  }

  readonly #onTransmission = (bytes: Uint8Array): void => {
    const reassembled = this.#reassembler.take(bytes);
    if (reassembled?.message === undefined) {
      if (reassembled === undefined) this.#reportInvalid();
      return;
    }
    const read = this.#read(reassembled.message);
    if (read === undefined) this.#reportInvalid();
    else for (const message of read.messages) this.#deliver(read.from, message);
  };

  #read(bytes: Uint8Array): { readonly from: string; readonly messages: readonly TaskMessage[] } | undefined {
    const end = HEAD + (bytes[1] ?? 0);
    if (bytes[0] !== MARK || bytes.length < end) return undefined;
    try {
      const from = Buffer.from(bytes.subarray(HEAD, end)).toString("latin1");
      return { from, messages: decodeTaskMessages(bytes.subarray(end)) };
    } catch {
      return undefined;
    }
  }

  #deliver(from: string, message: TaskMessage): void {
    try {
      if (isForExecutor(message)) this.#executor?.receive(from, message);
      else this.#caller?.receive(from, message);
    } catch (cause) {
      this.#options.onError(`handling ${message.type} of a task from node ${from} failed: ${errorText(cause)}`);
    }
  }

  readonly #onNoSubscriber = (id: string): void => {
    if (id.startsWith("n-")) {
      this.#caller?.onUnreachable(id.slice(2));
      return;
    }
    const [, task, offer] = /^t-(\d+)-(\d+)$/.exec(id) ?? [];
    if (task !== undefined) this.#caller?.onNoSubscriber(Number(task), Number(offer));
  };

  #reportInvalid(): void {
    this.#invalid.report("invalid", () => {
      this.#options.onError("ignored an invalid message about tasks");
    });
  }
}

function subjectOfNode(node: string): string {
  return `tasks.${node}`;
}

/** Encodes the vhost and the pattern, which may contain characters that a subject cannot. */
function toGroupSubject([vhost, pattern]: WorkerPattern): string {
  return `work.${encodeToken(vhost)}.${encodeToken(pattern)}`;
}

function encodeToken(text: string): string {
  return Buffer.from(text).toString("base64url");
}
