import type { Clock, EndOfTurn } from "../../core/ports.js";
import type { ByteLease } from "../../net/byte-budget.js";
import { Inflater, MESSAGE_COST } from "./inflater.js";

/** Bytes that one turn of the event loop inflates; the last message of a turn may go beyond them. */
const TURN_BYTES = 256 << 10;
/** Time after which messages are tried again that the node's budget had no room for, in milliseconds. */
const RETRY_WAIT = 20;

/** The connections of one address. */
interface Flow {
  readonly address: string;
  readonly waiting: Set<Inflater>;
  connections: number;
  /** Cost so far, on the scale of all flows. */
  cost: number;
  /** Cost of the connection that was served last, on the scale of this flow. */
  now: number;
}

/** Messages of an address that wait at the beginning of a turn; the next one is the last. */
interface Queue {
  readonly flow: Flow;
  readonly inflaters: Inflater[];
}

export interface InflationsOptions {
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
}

/**
 * Inflates the messages of all WebSocket clients, so much in a turn of the event loop. The address is served first that
 * will have cost least afterwards, and of its connections the one that will, so that a few bytes do not wait behind many
 * large messages. What a message will cost is guessed from its compressed length, at the worst. (Source: fair queueing,
 * Demers, Keshav and Shenker, 1989.)
 *
 * It is done at once and not in the thread pool: the library's queue for that is one for the whole process, first come
 * first served, and goes on with what connections have left that are gone.
 */
export class Inflations {
  readonly #options: InflationsOptions;
  readonly #flows = new Map<string, Flow>();
  /** Flows of which something waits. */
  readonly #waiting = new Set<Flow>();
  /** Cost of the flow that was served last. */
  #now = 0;
  #bytes = 0;
  #scheduled = false;
  #retries = false;

  constructor(options: InflationsOptions) {
    this.#options = options;
  }

  /** Bytes that messages have become. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @param address - of the client; an IPv6 network counts as one
   * @param lease - of the node's budget, for this connection alone
   * @param most - bytes that a message may become
   */
  open(address: string, lease: ByteLease, most: number): Inflater {
    const flow = this.#flows.get(address) ?? { address, waiting: new Set(), connections: 0, cost: 0, now: 0 };
    this.#flows.set(address, flow);
    flow.connections += 1;
    return new Inflater({
      lease,
      most,
      onWaiting: (inflater) => {
        // Nobody saves up while idle.
        if (flow.waiting.size === 0) flow.cost = Math.max(flow.cost, this.#now);
        inflater.cost = Math.max(inflater.cost, flow.now);
        flow.waiting.add(inflater);
        this.#waiting.add(flow);
        this.#schedule();
      },
      onIdle: (inflater) => {
        flow.waiting.delete(inflater);
        if (flow.waiting.size === 0) this.#waiting.delete(flow);
      },
      onClosed: () => {
        flow.connections -= 1;
        if (flow.connections === 0) this.#flows.delete(address);
      },
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.endOfTurn(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    const queues = new Set<Queue>(Array.from(this.#waiting, queueOf));
    let refused = 0;
    for (let spent = 0; spent < TURN_BYTES; ) {
      const queue = cheapestOf(queues);
      if (queue === undefined) break;
      const cost = this.#serve(queue);
      spent += cost ?? MESSAGE_COST;
      // Another message of the address would not find room either.
      if (cost === undefined) refused += 1;
      if (cost === undefined || queue.inflaters.length === 0) queues.delete(queue);
    }
    if (this.#waiting.size > refused) this.#schedule();
    else if (this.#waiting.size > 0) this.#retryLater();
  };

  /** @returns what it has cost; undefined where the budget has no room */
  #serve({ flow, inflaters }: Queue): number | undefined {
    const inflater = inflaters.pop();
    // It may have been closed by the work on a message before.
    if (inflater === undefined || !flow.waiting.has(inflater)) return 0;
    const inflated = inflater.inflateNext();
    if (inflated === undefined) return undefined;
    const cost = inflated.data.length + MESSAGE_COST;
    this.#bytes += inflated.data.length;
    this.#now = flow.cost;
    flow.now = inflater.cost;
    flow.cost += cost;
    inflater.cost += cost;
    inflated.deliver();
    return cost;
  }

  #retryLater(): void {
    if (this.#retries) return;
    this.#retries = true;
    this.#options.clock.after(RETRY_WAIT, () => {
      this.#retries = false;
      this.#schedule();
    });
  }
}

function queueOf(flow: Flow): Queue {
  return {
    flow,
    inflaters: [...flow.waiting].toSorted((one, other) => other.cost + other.estimate - one.cost - one.estimate),
  };
}

/** By what an address will have cost when its next message has been served. */
function cheapestOf(queues: Iterable<Queue>): Queue | undefined {
  let cheapest: Queue | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const queue of queues) {
    const cost = queue.flow.cost + (queue.inflaters.at(-1)?.estimate ?? 0);
    if (cost >= least) continue;
    cheapest = queue;
    least = cost;
  }
  return cheapest;
}
