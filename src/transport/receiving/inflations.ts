import type { Clock, EndOfTurn } from "../../core/ports.js";
import type { ByteLease } from "../../net/byte-budget.js";
import { Inflater, MESSAGE_COST } from "./inflater.js";

/** Bytes inflated in one turn of the event loop; the last message of a turn may exceed them. */
const TURN_BYTES = 256 << 10;
/** Milliseconds after which messages that exceeded the node's budget are retried. */
const RETRY_WAIT = 20;

/** Connections of one address. */
interface Flow {
  readonly address: string;
  readonly waiting: Set<Inflater>;
  connections: number;
  /** Accumulated cost, on the scale of all flows. */
  cost: number;
  /** Cost of the connection served last, on the scale of this flow. */
  now: number;
}

/** Connections of an address whose messages wait at the start of a turn. The last one is served next. */
interface Queue {
  readonly flow: Flow;
  readonly inflaters: Inflater[];
}

export interface InflationsOptions {
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
}

/**
 * Inflates the messages of all WebSocket clients, a limited number of bytes in each turn of the event loop. It first serves
 * the address with the lowest accumulated cost, including its next message, and within it the connection with the lowest
 * cost. Small messages therefore do not wait behind many large ones. The cost of a waiting message is the worst case for its
 * compressed length. Source: fair queueing (Demers, Keshav and Shenker, 1989).
 *
 * Inflating is synchronous. The library's alternative in the thread pool has one FIFO queue for the whole process, which also
 * inflates the messages of closed connections.
 */
export class Inflations {
  readonly #options: InflationsOptions;
  readonly #flows = new Map<string, Flow>();
  /** Flows with waiting messages. */
  readonly #waiting = new Set<Flow>();
  /** Cost of the flow served last. */
  #now = 0;
  #bytes = 0;
  #scheduled = false;
  #retries = false;

  constructor(options: InflationsOptions) {
    this.#options = options;
  }

  /** Total number of inflated bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @param address - of the client; an IPv6 network counts as one address
   * @param lease - lease of the node's budget for this connection only
   * @param most - largest inflated size of a message, in bytes
   */
  open(address: string, lease: ByteLease, most: number): Inflater {
    const flow = this.#flows.get(address) ?? { address, waiting: new Set(), connections: 0, cost: 0, now: 0 };
    this.#flows.set(address, flow);
    flow.connections += 1;
    return new Inflater({
      lease,
      most,
      onWaiting: (inflater) => {
        // An idle flow earns no credit.
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
    const queues = new Set<Queue>(Array.from(this.#waiting, createQueue));
    let refused = 0;
    for (let spent = 0; spent < TURN_BYTES; ) {
      const queue = findCheapest(queues);
      if (queue === undefined) break;
      const cost = this.#serve(queue);
      spent += cost ?? MESSAGE_COST;
      // Further messages of the address would exceed the budget too.
      if (cost === undefined) refused += 1;
      if (cost === undefined || queue.inflaters.length === 0) queues.delete(queue);
    }
    if (this.#waiting.size > refused) this.#schedule();
    else if (this.#waiting.size > 0) this.#retryLater();
  };

  /** @returns the cost of the message; undefined when it exceeds the budget */
  #serve({ flow, inflaters }: Queue): number | undefined {
    const inflater = inflaters.pop();
    // Handling an earlier message may have closed the connection.
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

function createQueue(flow: Flow): Queue {
  return {
    flow,
    inflaters: [...flow.waiting].toSorted((one, other) => other.cost + other.estimate - one.cost - one.estimate),
  };
}

/** Finds the queue whose address has the lowest cost, including its next message. */
function findCheapest(queues: Iterable<Queue>): Queue | undefined {
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
