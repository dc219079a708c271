import type { Json } from "../access/decide/principal.js";
import type { Reassembler } from "./fragments.js";

/** What the nodes that were asked have answered. */
export interface Answers {
  /** By node. */
  readonly answers: ReadonlyMap<string, Json>;
  /** Nodes known to be there that did not answer in time. */
  readonly missing: readonly string[];
}

/** The nodes that work together, this one included. */
export interface Cluster {
  /** This node's id, unique among all nodes. */
  readonly node: string;
  /** Nodes that are there, this one included. */
  readonly nodes: ReadonlySet<string>;
  /** Resolves when the nodes that answer promptly are known. The bus is started before. */
  start(): Promise<void>;
  /** Says goodbye, so that nobody waits for this node. */
  stop(deadline: number): Promise<void>;
  /**
   * Asks every node, this one included. A node whose handler throws answers with its error, which is thrown here. A node
   * that has not answered after two seconds, or is lost meanwhile, is missing; while the bus is away, all others are.
   * @throws CarillonError resource_exhausted for more than 32 MiB, unimplemented where a node has no handler of the kind
   */
  ask(kind: string, body: Json): Promise<Answers>;
  /** Tells every node, this one included and at once. Never throws; what cannot be sent is lost. */
  tell(kind: string, body: Json): void;
  /** Answers what is asked, takes what is told. One handler a kind. */
  handle(kind: string, handler: (body: Json, from: string) => Json | Promise<Json>): void;
  /** Joins the parts of what other nodes say; all joiners of this node share one bound. */
  createJoiner(): Reassembler;
  /** Told when nodes come and go. */
  onNodes(listener: (change: { readonly node: string; readonly here: boolean }) => void): void;
}
