import type { Json } from "../access/decide/principal.js";
import type { Reassembler } from "./fragments.js";

/** Answers of the nodes to a request. */
export interface Answers {
  /** Answers by node. */
  readonly answers: ReadonlyMap<string, Json>;
  /** Known nodes that did not answer in time. */
  readonly missing: readonly string[];
}

/** The nodes of a cluster, including this one. */
export interface Cluster {
  /** This node's id, unique among all nodes. */
  readonly node: string;
  /** Live nodes, including this one. */
  readonly nodes: ReadonlySet<string>;
  /** Resolves when the nodes that answer promptly are known. The bus must have been started. */
  start(): Promise<void>;
  /** Leaves the cluster, so that no node waits for this one. Resolves within the deadline, in milliseconds. */
  stop(deadline: number): Promise<void>;
  /**
   * Sends a request to every node, including this one. An error that a node's handler throws is thrown here. A node that
   * does not answer within two seconds, is lost meanwhile, or has no handler of the kind because it has another version, is
   * missing. While the bus is disconnected, all others are.
   * @throws CarillonError resource_exhausted beyond 32 MiB, unimplemented when this node has no handler of the kind
   */
  ask(kind: string, body: Json): Promise<Answers>;
  /** Sends a message to every node, and calls this node's handler at once. Never throws; a failed message is lost. */
  tell(kind: string, body: Json): void;
  /** Registers the handler for requests and messages of a kind. Each kind has one handler. */
  handle(kind: string, handler: (body: Json, from: string) => Json | Promise<Json>): void;
  /** Creates a reassembler for other nodes' fragments. All reassemblers of this node share one limit. */
  createReassembler(): Reassembler;
  /** Adds a listener for nodes that join or leave the cluster. */
  onNodes(listener: (change: { readonly node: string; readonly alive: boolean }) => void): void;
}
