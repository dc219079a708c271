import type { Cluster } from "../../cluster/cluster.js";
import type { WorkerDescription, WorkerList } from "../dispatch.js";

/** Kind of the requests for a node's workers of a vhost. */
const WORKERS = "work.workers";

/** Maximum number of listed workers of a node. With the longest patterns they take 26 MB; an answer may have 32. */
const MAX_LISTED = 1_000;

/** The workers of a node. */
export interface LocalWorkers {
  /** Lists the workers of a vhost, at most `limit` of them. */
  list(vhost: string, limit: number): WorkerDescription[];
}

interface NodeList {
  readonly workers: readonly WorkerDescription[];
  readonly more: boolean;
}

/** Lists the workers of all nodes. */
export class WorkerListing {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster, own: LocalWorkers) {
    this.#cluster = cluster;
    cluster.handle(WORKERS, (vhost) => {
      const found = typeof vhost === "string" ? own.list(vhost, MAX_LISTED + 1) : [];
      return { workers: found.slice(0, MAX_LISTED).map((worker) => ({ ...worker })), more: found.length > MAX_LISTED };
    });
  }

  async list(vhost: string): Promise<WorkerList> {
    const { answers, missing } = await this.#cluster.ask(WORKERS, vhost);
    const lists = [...answers].map(([, list]) => list as unknown as NodeList);
    return {
      workers: lists.flatMap(({ workers }) => workers).toSorted(byNode),
      more: lists.some(({ more }) => more),
      missing,
    };
  }
}

function byNode(one: WorkerDescription, other: WorkerDescription): number {
  if (one.node !== other.node) return one.node < other.node ? -1 : 1;
  return one.id.length - other.id.length || (one.id < other.id ? -1 : 1);
}
