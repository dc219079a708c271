import type { Json } from "../access/decide/principal.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { ignore } from "../util/ignore.js";
import { errorText } from "../util/native-error.js";
import { ReportLimiter } from "../util/report-limiter.js";
import { withResolvers } from "../util/with-resolvers.js";
import type { Bus } from "./bus.js";
import type { Answers, Cluster } from "./cluster.js";
import { type ClusterMessage, decodeClusterMessage, encodeClusterMessage, toRefusal } from "./cluster-messages.js";
import { FragmentBudget } from "./fragment-budget.js";
import { MAX_FRAGMENTED_BYTES, Reassembler, Splitter } from "./fragments.js";
import { PeerClocks } from "./peer-clocks.js";
import { PEER_TICK, Peers } from "./peers.js";
import { PendingRequest } from "./pending-request.js";

/** Subject that all nodes subscribe to. Messages to a single node have the subject `node.<id>`. */
const ALL = "all";

/** Number of ticks between heartbeats: one second. */
const TICKS_PER_HEARTBEAT = 4;
/** Maximum wait of a new node for heartbeats of the others, in milliseconds. */
const GREETING_WAIT = 300;
/** Timeout of a request to all nodes, in milliseconds. */
export const ASK_TIMEOUT = 2_000;

type Handler = (body: Json, from: string) => Json | Promise<Json>;

export interface ClusterNodeOptions {
  /** This node's id: letters, digits, `_` and `-`; unique among all nodes, and different after each restart. */
  readonly node: string;
  /** Started before this node and stopped after it, by the caller. */
  readonly bus: Bus;
  readonly clock: Clock;
  /** Called for invalid messages, and for exceptions of listeners and handlers. */
  readonly onError: (message: string) => void;
}

/** This node in the cluster. Calls its own handlers without the bus, so they work while the bus is disconnected. */
export class ClusterNode implements Cluster {
  readonly node: string;
  readonly #options: ClusterNodeOptions;
  readonly #peers: Peers;
  readonly #splitter: Splitter;
  readonly #fragments: FragmentBudget;
  readonly #reassembler: Reassembler;
  readonly #clocks: PeerClocks;
  readonly #handlers = new Map<string, Handler>();
  readonly #requests = new Map<number, PendingRequest>();
  #requestCount = 0;
  #ticks = 0;
  #busWasUp = false;
  /** Set when all other nodes have had time to answer the greeting. */
  #settled = false;
  /** Set after the goodbye: a further message would make the others add this node again. */
  #hasLeft = false;
  #introduced = withResolvers<void>();
  #endSubscriptions: (() => void)[] = [];
  #cancelTick: (() => void) | undefined;
  readonly #faults: ReportLimiter;

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    this.node = options.node;
    this.#peers = new Peers(this.node);
    this.#faults = new ReportLimiter({
      clock: options.clock,
      burst: 1,
      onOmitted: (kind, count) => {
        options.onError(`further ${kind} on the cluster's bus: ${count}`);
      },
    });
    this.#splitter = new Splitter(this.node);
    this.#fragments = new FragmentBudget((node) => {
      this.#faults.report("lost messages", () => {
        options.onError(`lost a message from node ${node}: too many incomplete messages`);
      });
    });
    this.#reassembler = this.createReassembler();
    this.#clocks = new PeerClocks(options.clock, (peer, ahead) => {
      this.#faults.report("clock differences", () => {
        options.onError(describeClockDifference(peer, ahead));
      });
    });
    this.#peers.onChange(({ alive, node }) => {
      if (alive) return;
      this.#clocks.forget(node);
      for (const request of this.#requests.values()) request.miss(node);
    });
  }

  get nodes(): ReadonlySet<string> {
    return this.#peers.nodes;
  }

  /** Number of messages of other nodes that were dropped because too many were incomplete. */
  get lostMessages(): number {
    return this.#fragments.lost;
  }

  /** Largest difference between this node's wall clock and another one's, in milliseconds. */
  get clockDifference(): number {
    return this.#clocks.largestDifference;
  }

  /** Resolves when the nodes that answer promptly are known. */
  async start(): Promise<void> {
    const { bus, clock } = this.#options;
    if (!bus.shared) return;
    this.#endSubscriptions = [
      bus.subscribe(ALL, this.#onMessage),
      bus.subscribe(toNodeSubject(this.node), this.#onMessage),
    ];
    this.#tickLater();
    try {
      await bus.flush();
    } catch {
      // The other nodes are found when the bus connects.
      this.#settled = true;
      return;
    }
    this.#busWasUp = true;
    const cancel = clock.after(GREETING_WAIT, this.#introduced.resolve);
    this.#sendHeartbeat(true);
    await this.#introduced.promise;
    cancel();
    this.#settled = true;
  }

  async stop(deadline: number): Promise<void> {
    const { bus, clock } = this.#options;
    this.#cancelTick?.();
    this.#faults.stop();
    for (const end of this.#endSubscriptions) end();
    for (const request of this.#requests.values()) request.end();
    if (!bus.shared || !bus.up) return;
    this.#send(ALL, { type: "bye", from: this.node });
    this.#hasLeft = true;
    const { promise: late, resolve } = withResolvers<void>();
    const cancel = clock.after(deadline, resolve);
    await Promise.race([bus.flush().catch(ignore), late]);
    cancel();
  }

  async ask(kind: string, body: Json): Promise<Answers> {
    const { bus, clock } = this.#options;
    const { others } = this.#peers;
    this.#requestCount += 1;
    const id = this.#requestCount;
    const request = new PendingRequest([this.node, ...others]);
    this.#requests.set(id, request);
    const cancel = clock.after(ASK_TIMEOUT, () => {
      request.end();
    });
    try {
      if (bus.shared) this.#send(ALL, { type: "ask", from: this.node, id, kind, body });
      // A disconnected bus discards the request, so no other node will answer it.
      if (!bus.up) for (const node of others) request.miss(node);
      this.#run(kind, body, this.node).then(
        (answer) => {
          request.answer(this.node, answer);
        },
        (cause: unknown) => {
          request.refuse(CarillonError.from(cause));
        },
      );
      return await request.outcome;
    } finally {
      cancel();
      this.#requests.delete(id);
    }
  }

  tell(kind: string, body: Json): void {
    const { bus } = this.#options;
    try {
      if (bus.shared) this.#send(ALL, { type: "tell", from: this.node, kind, body });
    } catch (cause) {
      this.#options.onError(`sending ${kind} to all nodes failed: ${errorText(cause)}`);
    }
    this.#handleMessage(kind, body, this.node);
  }

  handle(kind: string, handler: Handler): void {
    if (this.#handlers.has(kind)) throw new Error(`duplicate handler for ${kind}`);
    this.#handlers.set(kind, handler);
  }

  createReassembler(): Reassembler {
    const reassembler = new Reassembler((node) => this.nodes.has(node), this.#fragments);
    this.#peers.onChange(({ alive, node }) => {
      if (!alive) reassembler.forget(node);
    });
    return reassembler;
  }

  onNodes(listener: (change: { readonly node: string; readonly alive: boolean }) => void): void {
    this.#peers.onChange((change) => {
      try {
        listener(change);
      } catch (cause) {
        this.#options.onError(`listener failed on a change of node ${change.node}: ${errorText(cause)}`);
      }
    });
  }

  readonly #tick = (): void => {
    this.#tickLater();
    const { up } = this.#options.bus;
    const hasReturned = up && !this.#busWasUp;
    this.#busWasUp = up;
    // While the bus is disconnected, silence does not mean that a node is dead.
    if (!up) return;
    if (hasReturned) this.#peers.resetSilence();
    this.#ticks += 1;
    if (hasReturned || this.#ticks % TICKS_PER_HEARTBEAT === 0) this.#sendHeartbeat(hasReturned);
    this.#peers.tick();
  };

  #tickLater(): void {
    this.#cancelTick = this.#options.clock.after(PEER_TICK, this.#tick);
  }

  readonly #onMessage = (data: Uint8Array): void => {
    const reassembled = this.#reassembler.take(data);
    if (reassembled?.message === undefined) {
      if (reassembled === undefined) this.#reportInvalid();
      else this.#peers.recordActivity(reassembled.fragmentFrom);
      return;
    }
    const message = decodeClusterMessage(reassembled.message);
    if (message === undefined) this.#reportInvalid();
    else if (message.from !== this.node) this.#onClusterMessage(message);
  };

  #onClusterMessage(message: ClusterMessage): void {
    const { from } = message;
    if (message.type === "bye") {
      this.#peers.remove(from);
      return;
    }
    const isNew = this.#peers.recordActivity(from);
    // A node that is new here may not know this node either, as after a freeze.
    if (isNew || (message.type === "here" && message.greet)) this.#introduce(from);
    switch (message.type) {
      case "here":
        this.#clocks.record(from, message.time);
        this.#checkIntroduced(message.nodes);
        break;
      case "ask":
        void this.#answer(message.kind, message.body, from, message.id);
        break;
      case "tell":
        this.#handleMessage(message.kind, message.body, from);
        break;
      case "answer":
        this.#requests.get(message.id)?.answer(from, message.body);
        break;
      case "refusal":
        // A node of another version may not know the request.
        if (message.code === "unimplemented") this.#requests.get(message.id)?.miss(from);
        else this.#requests.get(message.id)?.refuse(new CarillonError(message.code, message.message));
    }
  }

  #sendHeartbeat(greet: boolean): void {
    this.#send(ALL, { type: "here", from: this.node, greet, nodes: [], time: this.#options.clock.now() });
  }

  #introduce(node: string): void {
    const nodes = this.#settled ? [...this.nodes] : [];
    const time = this.#options.clock.now();
    this.#send(toNodeSubject(node), { type: "here", from: this.node, greet: false, nodes, time });
  }

  /** Ends the wait for other nodes when all nodes that an answer names are known. */
  #checkIntroduced(nodes: readonly string[]): void {
    if (nodes.length > 0 && nodes.every((node) => this.nodes.has(node))) this.#introduced.resolve();
  }

  async #answer(kind: string, body: Json, from: string, id: number): Promise<void> {
    const subject = toNodeSubject(from);
    try {
      const answer = await this.#run(kind, body, from);
      this.#send(subject, { type: "answer", from: this.node, id, body: answer });
    } catch (cause) {
      if (!(cause instanceof CarillonError)) this.#options.onError(`answering ${kind} failed: ${errorText(cause)}`);
      this.#send(subject, { type: "refusal", from: this.node, id, ...toRefusal(cause) });
    }
  }

  #handleMessage(kind: string, body: Json, from: string): void {
    this.#run(kind, body, from).catch((cause: unknown) => {
      this.#options.onError(`handling ${kind} from node ${from} failed: ${errorText(cause)}`);
    });
  }

  async #run(kind: string, body: Json, from: string): Promise<Json> {
    const handler = this.#handlers.get(kind);
    if (handler === undefined) {
      throw new CarillonError("unimplemented", `node ${this.node} has no handler for ${JSON.stringify(kind)}`);
    }
    return handler(body, from);
  }

  /** @throws CarillonError resource_exhausted */
  #send(subject: string, message: ClusterMessage): void {
    if (this.#hasLeft) return;
    const bytes = encodeClusterMessage(message);
    if (bytes.length > MAX_FRAGMENTED_BYTES) {
      const text = `cluster message too large: ${bytes.length} bytes, the limit is ${MAX_FRAGMENTED_BYTES}`;
      throw new CarillonError("resource_exhausted", text);
    }
    for (const fragment of this.#splitter.split(bytes)) this.#options.bus.publish(subject, fragment);
  }

  #reportInvalid(): void {
    this.#faults.report("invalid messages", () => {
      this.#options.onError("ignored an invalid message on the cluster's bus");
    });
  }
}

function describeClockDifference(node: string, ahead: number): string {
  const seconds = Math.round(Math.abs(ahead) / 1_000);
  const direction = ahead > 0 ? "ahead of" : "behind";
  return `the clock of node ${node} is ${seconds} s ${direction} this node's: tokens expire at different times, set the clocks by NTP`;
}

function toNodeSubject(node: string): string {
  return `node.${node}`;
}
