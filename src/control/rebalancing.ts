import type { Backend } from "../access/keys/backend.js";
import type { Clients } from "../clients/clients.js";
import { closePaced } from "../clients/close-paced.js";
import type { Cluster } from "../cluster/cluster.js";
import type { Hub } from "../core/hub.js";
import type { Clock } from "../core/ports.js";
import type { Session } from "../core/session.js";
import { createRestartClose, invalidArgument } from "../errors.js";
import { checkManager } from "./vhosts.js";

export interface RebalancingOptions {
  readonly cluster: Cluster;
  readonly clients: Clients;
  readonly hub: Hub;
  readonly clock: Clock;
  /** Default rate of this node, in clients per second. */
  readonly rate: number;
  /** Whether load balancers send clients to this node. */
  readonly isReady: () => boolean;
}

export interface RebalanceStep {
  /** In percent of a node's share; undefined for the default. */
  readonly tolerance: number | undefined;
  /** Clients per second of each node; undefined for the nodes' own rates. */
  readonly rate: number | undefined;
  /** Largest number of clients in earlier answers. */
  readonly total: number;
  /** Whether to report only. */
  readonly dryRun: boolean;
}

export interface NodeLoad {
  readonly id: string;
  readonly clients: number;
  readonly ready: boolean;
  /** Number of clients that the node now closes. */
  readonly closing: number;
}

export interface Balance {
  /** Ordered by id. */
  readonly nodes: readonly NodeLoad[];
  readonly total: number;
  readonly even: boolean;
  readonly missingNodes: readonly string[];
}

type LoadAnswer = { readonly clients: number; readonly ready: boolean };
type ShedBody = { readonly surplus: Readonly<Record<string, number>>; readonly rate: number | null };

const LOAD = "rebalancing.load";
const SHED = "rebalancing.shed";

const DEFAULT_TOLERANCE = 10;
const MAX_TOLERANCE = 100;
const MAX_RATE = 100_000;

/** Few clients are closed at a time, so they may come back at once. */
const CLOSE = createRestartClose("rebalancing", { from: 0, to: 1_000 });

/** Closes clients on nodes that have more than their share of all clients (rule L25). */
export class Rebalancing {
  readonly #options: RebalancingOptions;
  readonly #end = new AbortController();
  #isClosing = false;

  constructor(options: RebalancingOptions) {
    this.#options = options;
    const { clients, cluster, isReady } = options;
    cluster.handle(LOAD, () => ({ clients: clients.size, ready: isReady() }) satisfies LoadAnswer);
    cluster.handle(SHED, (body) => this.#shedHere(body as unknown as ShedBody));
  }

  /**
   * Compares the nodes, and has those with too many clients close some within the next second.
   * @throws CarillonError invalid_argument; permission_denied: not a key of the default vhost with the action `vhosts`
   */
  async step(
    backend: Backend,
    { dryRun, rate, tolerance = DEFAULT_TOLERANCE, total }: RebalanceStep,
  ): Promise<Balance> {
    checkManager(backend);
    if (tolerance > MAX_TOLERANCE) throw invalidArgument(`tolerance: expected 1 to ${MAX_TOLERANCE}, got ${tolerance}`);
    if (rate !== undefined && rate > MAX_RATE) throw invalidArgument(`rate: expected 1 to ${MAX_RATE}, got ${rate}`);
    const { cluster } = this.#options;
    const { answers, missing: missingNodes } = await cluster.ask(LOAD, null);
    const loads = [...answers].map(([id, load]) => ({ id, ...(load as unknown as LoadAnswer) }));
    const plan = planShares(loads, { tolerance, total });
    const isIdle = dryRun || missingNodes.length > 0 || plan.even;
    const closing = isIdle ? new Map<string, number>() : await this.#shed(plan.surplus, rate);
    const nodes = loads
      .map((load) => ({ ...load, closing: closing.get(load.id) ?? 0 }))
      .toSorted((one, other) => (one.id < other.id ? -1 : 1));
    return { nodes, total: plan.total, even: plan.even, missingNodes };
  }

  /** Closes no more clients. */
  stop(): void {
    this.#end.abort();
  }

  async #shed(surplus: ShedBody["surplus"], rate: number | undefined): Promise<Map<string, number>> {
    const { answers } = await this.#options.cluster.ask(SHED, { surplus, rate: rate ?? null });
    return new Map([...answers].map(([id, count]) => [id, Number(count)]));
  }

  /** Begins to close this node's surplus, at most the clients of one second. @returns their number */
  #shedHere({ rate, surplus }: ShedBody): number {
    const { clients, clock, cluster, hub, isReady, rate: ownRate } = this.#options;
    const perSecond = rate ?? ownRate;
    const count = Math.min(surplus[cluster.node] ?? 0, perSecond, clients.size);
    if (count <= 0 || this.#isClosing || !isReady()) return 0;
    this.#isClosing = true;
    const ends = new Set(clients.first(count).map(({ session }) => session));
    const pick = (most: number): Session[] => {
      const picked: Session[] = [];
      for (const session of ends) {
        if (!session.open) ends.delete(session);
        else if (picked.length < most) picked.push(session);
        else break;
      }
      return picked;
    };
    void closePaced({ clock, hub, rate: perSecond, reason: CLOSE, pick, signal: this.#end.signal }).finally(() => {
      this.#isClosing = false;
    });
    return count;
  }
}

interface Plan {
  readonly total: number;
  readonly even: boolean;
  /** Number of clients beyond its share, by node that exceeds the tolerance. */
  readonly surplus: Readonly<Record<string, number>>;
}

/** Compares the nodes that are ready with their share. @param total - of earlier steps */
function planShares(
  loads: readonly ({ readonly id: string } & LoadAnswer)[],
  { tolerance, total: before }: { readonly tolerance: number; readonly total: number },
): Plan {
  const ready = loads.filter((load) => load.ready);
  const total = Math.max(
    before,
    ready.reduce((sum, { clients }) => sum + clients, 0),
  );
  const share = Math.ceil(total / Math.max(1, ready.length));
  const most = Math.ceil(share * (1 + tolerance / 100));
  const surplus = Object.fromEntries(
    ready.filter(({ clients }) => clients > most).map(({ clients, id }) => [id, clients - share]),
  );
  return { total, even: Object.keys(surplus).length === 0, surplus };
}
