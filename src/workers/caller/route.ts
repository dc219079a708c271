import { randomInt } from "node:crypto";
import type { RefusalReason } from "../wire/task-messages.js";

/** Inputs to the choice of the next node for a task. */
export interface RouteInputs {
  /** Nodes with workers of the pattern. */
  readonly nodes: ReadonlySet<string>;
  readonly self: string;
  /** Whether other nodes can be reached. */
  readonly up: boolean;
  /** Whether this node has a free worker of the pattern. */
  readonly selfIsFree: boolean;
  /** Whether the bus may choose the node. */
  readonly grouped: boolean;
  /** Order in which nodes are tried for a trigger, the next one first; undefined for a call. */
  readonly rotation: readonly string[] | undefined;
  /** Refusals of the current attempt, by node. */
  readonly refusals: ReadonlyMap<string, RefusalReason>;
  /** Nodes that did not answer. Other nodes are tried first. */
  readonly avoided: ReadonlySet<string>;
}

/** A node, a group in which the bus chooses, or the reason why no node is left. */
export type TaskRoute =
  | { readonly to: "node"; readonly node: string; readonly mayWait: boolean }
  | { readonly to: "group" }
  | { readonly to: "none"; readonly reason: "full" | "gone" };

/** Number of busy nodes tried before the task waits at one of them, and of full nodes tried before it is refused. */
const MAX_ASKED = 3;

/**
 * Chooses the next node for a task. A free worker of this node comes first, then a free one on any node. The bus chooses
 * among the other nodes for the first offer. Later offers go to nodes that have not been tried yet. When three nodes, or all,
 * are busy, the task waits at one of them. A trigger goes to a free worker of the next node in the rotation.
 */
export function chooseRoute(situation: RouteInputs): TaskRoute {
  const { avoided, grouped, nodes, refusals, rotation, self, selfIsFree, up } = situation;
  const others = up ? [...nodes].filter((node) => node !== self && !refusals.has(node)) : [];
  const better = others.filter((node) => !avoided.has(node));
  const next = rotation?.find((node) => better.includes(node) || (node === self && selfIsFree && !refusals.has(self)));
  if (selfIsFree && !refusals.has(self) && nodes.has(self) && (next ?? self) === self)
    return { to: "node", node: self, mayWait: nodes.size === 1 };
  const busy = [...nodes].filter((node) => refusals.get(node) === "busy" && (up || node === self));
  if (nodes.has(self) && !refusals.has(self)) busy.unshift(self);
  if (others.length > 0 && busy.length < MAX_ASKED) {
    if (grouped && rotation === undefined && refusals.size === 0 && better.length > 1) return { to: "group" };
    // The task waits at this node rather than at another one, if this node has a worker.
    const last = !busy.includes(self) && (others.length === 1 || busy.length === MAX_ASKED - 1);
    return { to: "node", node: next ?? pickRandom(better.length > 0 ? better : others), mayWait: last };
  }
  const full = [...refusals.values()].filter((reason) => reason === "full").length;
  if (busy.length === 0 || full >= MAX_ASKED) return { to: "none", reason: full > 0 ? "full" : "gone" };
  return { to: "node", node: busy.includes(self) ? self : pickRandom(busy), mayWait: true };
}

/** @param nodes - at least one */
function pickRandom(nodes: readonly string[]): string {
  const [first = ""] = nodes;
  return nodes.length > 1 ? (nodes[randomInt(nodes.length)] ?? first) : first;
}
