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

/** Heard by all nodes; what is for one goes to `node.<id>`. */
const ALL = "all";

/** Every so many ticks a node says that it is there: every second. */
const TICKS_OF_BEAT = 4;
/** How long a newcomer waits for others to say who they are, in milliseconds: round trips, and a busy node's turn. */
const GREETING_WAIT = 300;
const ASK_TIMEOUT = 2_000;

type Handler = (body: Json, from: string) => Json | Promise<Json>;

export interface ClusterNodeOptions {
  /** This node's id: letters, digits, `_` and `-`, unique among all nodes and all their lives. */
  readonly node: string;
  /** Started before and stopped after this by whoever made it. */
  readonly bus: Bus;
  readonly clock: Clock;
  /** Told of what is lost because it makes no sense, and of listeners' and handlers' faults. */
  readonly onError: (message: string) => void;
}

/** One node's part in the cluster. It hears itself without the bus, so what concerns this node works while the bus is away. */
export class ClusterNode implements Cluster {
  readonly node: string;
  readonly #options: ClusterNodeOptions;
  readonly #peers: Peers;
  readonly #cutter: Splitter;
  readonly #fragments: FragmentBudget;
  readonly #joiner: Reassembler;
  readonly #clocks: PeerClocks;
  readonly #handlers = new Map<string, Handler>();
  readonly #questions = new Map<number, PendingRequest>();
  #asked = 0;
  #ticks = 0;
  #busWasUp = false;
  /** Has had the time to hear of everybody. */
  #settled = false;
  /** Has said goodbye: any word more, and others would take it for there. */
  #gone = false;
  #introduced = withResolvers<void>();
  #ends: (() => void)[] = [];
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
    this.#cutter = new Splitter(this.node);
    this.#fragments = new FragmentBudget((node) => {
      this.#faults.report("lost words", () => {
        options.onError(`lost a message of node ${node}: too many unfinished ones of all nodes together`);
      });
    });
    this.#joiner = this.createJoiner();
    this.#clocks = new PeerClocks(options.clock, (peer, ahead) => {
      this.#faults.report("clocks that are far off", () => {
        options.onError(farOff(peer, ahead));
      });
    });
    this.#peers.onChange(({ here, node }) => {
      if (here) return;
      this.#clocks.forget(node);
      for (const question of this.#questions.values()) question.miss(node);
    });
  }

  get nodes(): ReadonlySet<string> {
    return this.#peers.nodes;
  }

  /** Words of other nodes that were lost because too many were unfinished. */
  get lostMessages(): number {
    return this.#fragments.lost;
  }

  /** Largest difference between this node's wall clock and another one's, in milliseconds. */
  get clockDifference(): number {
    return this.#clocks.largestDifference;
  }

  /** Resolves when those that answer promptly are known. */
  async start(): Promise<void> {
    const { bus, clock } = this.#options;
    if (!bus.shared) return;
    this.#ends = [bus.subscribe(ALL, this.#onMessage), bus.subscribe(subjectOf(this.node), this.#onMessage)];
    this.#tickLater();
    try {
      await bus.flush();
    } catch {
      // Others are met when the bus is there.
      this.#settled = true;
      return;
    }
    this.#busWasUp = true;
    const cancel = clock.after(GREETING_WAIT, this.#introduced.resolve);
    this.#beHere(true);
    await this.#introduced.promise;
    cancel();
    this.#settled = true;
  }

  async stop(deadline: number): Promise<void> {
    const { bus, clock } = this.#options;
    this.#cancelTick?.();
    this.#faults.stop();
    for (const end of this.#ends) end();
    for (const question of this.#questions.values()) question.end();
    if (!bus.shared || !bus.up) return;
    this.#send(ALL, { type: "bye", from: this.node });
    this.#gone = true;
    const { promise: late, resolve } = withResolvers<void>();
    const cancel = clock.after(deadline, resolve);
    await Promise.race([bus.flush().catch(ignore), late]);
    cancel();
  }

  async ask(kind: string, body: Json): Promise<Answers> {
    const { bus, clock } = this.#options;
    const { others } = this.#peers;
    this.#asked += 1;
    const id = this.#asked;
    const question = new PendingRequest([this.node, ...others]);
    this.#questions.set(id, question);
    const cancel = clock.after(ASK_TIMEOUT, () => {
      question.end();
    });
    try {
      if (bus.shared) this.#send(ALL, { type: "ask", from: this.node, id, kind, body });
      // What the bus does not take now never arrives.
      if (!bus.up) for (const node of others) question.miss(node);
      this.#run(kind, body, this.node).then(
        (answer) => {
          question.answer(this.node, answer);
        },
        (fault: unknown) => {
          question.refuse(CarillonError.from(fault));
        },
      );
      return await question.outcome;
    } finally {
      cancel();
      this.#questions.delete(id);
    }
  }

  tell(kind: string, body: Json): void {
    const { bus } = this.#options;
    try {
      if (bus.shared) this.#send(ALL, { type: "tell", from: this.node, kind, body });
    } catch (fault) {
      this.#options.onError(`telling all nodes (${kind}) failed: ${errorText(fault)}`);
    }
    this.#take(kind, body, this.node);
  }

  handle(kind: string, handler: Handler): void {
    if (this.#handlers.has(kind)) throw new Error(`there is a handler of ${kind} already`);
    this.#handlers.set(kind, handler);
  }

  createJoiner(): Reassembler {
    const joiner = new Reassembler((node) => this.nodes.has(node), this.#fragments);
    this.#peers.onChange(({ here, node }) => {
      if (!here) joiner.forget(node);
    });
    return joiner;
  }

  onNodes(listener: (change: { readonly node: string; readonly here: boolean }) => void): void {
    this.#peers.onChange((change) => {
      try {
        listener(change);
      } catch (fault) {
        this.#options.onError(`telling that node ${change.node} came or went failed: ${errorText(fault)}`);
      }
    });
  }

  readonly #tick = (): void => {
    this.#tickLater();
    const { up } = this.#options.bus;
    const isBack = up && !this.#busWasUp;
    this.#busWasUp = up;
    // While the bus is away nobody can be heard, which says nothing of them.
    if (!up) return;
    if (isBack) this.#peers.forgive();
    this.#ticks += 1;
    if (isBack || this.#ticks % TICKS_OF_BEAT === 0) this.#beHere(isBack);
    this.#peers.tick();
  };

  #tickLater(): void {
    this.#cancelTick = this.#options.clock.after(PEER_TICK, this.#tick);
  }

  readonly #onMessage = (message: Uint8Array): void => {
    const joined = this.#joiner.take(message);
    if (joined?.word === undefined) {
      if (joined === undefined) this.#refuseNonsense();
      else this.#peers.hear(joined.partFrom);
      return;
    }
    const word = decodeClusterMessage(joined.word);
    if (word === undefined) this.#refuseNonsense();
    else if (word.from !== this.node) this.#onWord(word);
  };

  #onWord(word: ClusterMessage): void {
    const { from } = word;
    if (word.type === "bye") {
      this.#peers.lose(from);
      return;
    }
    const isNew = this.#peers.hear(from);
    // Whoever is new here may not know this node either, as after a freeze.
    if (isNew || (word.type === "here" && word.greet)) this.#introduce(from);
    switch (word.type) {
      case "here":
        this.#clocks.hear(from, word.time);
        this.#meet(word.nodes);
        break;
      case "ask":
        void this.#answer(word.kind, word.body, from, word.id);
        break;
      case "tell":
        this.#take(word.kind, word.body, from);
        break;
      case "answer":
        this.#questions.get(word.id)?.answer(from, word.body);
        break;
      case "refusal":
        this.#questions.get(word.id)?.refuse(new CarillonError(word.code, word.message));
    }
  }

  #beHere(greet: boolean): void {
    this.#send(ALL, { type: "here", from: this.node, greet, nodes: [], time: this.#options.clock.now() });
  }

  #introduce(node: string): void {
    const nodes = this.#settled ? [...this.nodes] : [];
    const time = this.#options.clock.now();
    this.#send(subjectOf(node), { type: "here", from: this.node, greet: false, nodes, time });
  }

  /** Somebody has said who is there: when all of them are known, there is nobody left to wait for. */
  #meet(nodes: readonly string[]): void {
    if (nodes.length > 0 && nodes.every((node) => this.nodes.has(node))) this.#introduced.resolve();
  }

  async #answer(kind: string, body: Json, from: string, id: number): Promise<void> {
    const subject = subjectOf(from);
    try {
      const answer = await this.#run(kind, body, from);
      this.#send(subject, { type: "answer", from: this.node, id, body: answer });
    } catch (fault) {
      if (!(fault instanceof CarillonError)) this.#options.onError(`answering ${kind} failed: ${errorText(fault)}`);
      this.#send(subject, { type: "refusal", from: this.node, id, ...toRefusal(fault) });
    }
  }

  #take(kind: string, body: Json, from: string): void {
    this.#run(kind, body, from).catch((fault: unknown) => {
      this.#options.onError(`taking ${kind} of node ${from} failed: ${errorText(fault)}`);
    });
  }

  async #run(kind: string, body: Json, from: string): Promise<Json> {
    const handler = this.#handlers.get(kind);
    if (handler === undefined) {
      throw new CarillonError("unimplemented", `node ${this.node} does not know ${JSON.stringify(kind)}`);
    }
    return handler(body, from);
  }

  /** @throws CarillonError resource_exhausted */
  #send(subject: string, word: ClusterMessage): void {
    if (this.#gone) return;
    const bytes = encodeClusterMessage(word);
    if (bytes.length > MAX_FRAGMENTED_BYTES) {
      const text = `${bytes.length} bytes are more than the ${MAX_FRAGMENTED_BYTES} that a node says to others at once`;
      throw new CarillonError("resource_exhausted", text);
    }
    for (const message of this.#cutter.cut(bytes)) this.#options.bus.publish(subject, message);
  }

  #refuseNonsense(): void {
    this.#faults.report("messages that no node sends", () => {
      this.#options.onError("ignored a message on the cluster's bus that no node sends");
    });
  }
}

function farOff(node: string, ahead: number): string {
  const seconds = Math.round(Math.abs(ahead) / 1_000);
  const direction = ahead > 0 ? "ahead of" : "behind";
  return `the clock of node ${node} is ${seconds} s ${direction} this node's: tokens expire at different times, set the clocks by NTP`;
}

function subjectOf(node: string): string {
  return `node.${node}`;
}
