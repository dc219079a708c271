import { randomInt } from "node:crypto";
import type { Why } from "../wire/task-messages.js";

/** What decides where a task is offered next. */
export interface RoutingSituation {
  /** Nodes with workers of the pattern. */
  readonly nodes: ReadonlySet<string>;
  readonly self: string;
  /** Whether other nodes can be reached. */
  readonly up: boolean;
  /** Whether a worker of this node is free. */
  readonly selfIsFree: boolean;
  /** Whether the bus may choose. */
  readonly grouped: boolean;
  /** Of what goes to all nodes in turn: the nodes, with the one first whose turn it is. Undefined for what does not. */
  readonly turn: readonly string[] | undefined;
  /** What nodes have said to this task since its last attempt began. */
  readonly said: ReadonlyMap<string, Why>;
  /** Nodes that have let the task down: the others first. */
  readonly shunned: ReadonlySet<string>;
}

/** To a node, or to whichever of them the bus chooses; or there is nobody left to ask, and why. */
export type TaskRoute =
  | { readonly to: "node"; readonly node: string; readonly mayWait: boolean }
  | { readonly to: "group" }
  | { readonly to: "nobody"; readonly why: "full" | "gone" };

/** Nodes that are asked for a free worker before the task waits at one of them, and that may say that too much waits. */
const MAX_ASKED = 3;

/**
 * A free worker of this node comes first, then a free one anywhere: the bus chooses among the other nodes for the first
 * try, later tries go to those that have not been asked yet. When three are busy, or all, the task waits at one of them.
 * What goes to all in turn goes to a free worker of the node whose turn it is, or of the next.
 */
export function chooseRoute(situation: RoutingSituation): TaskRoute {
  const { grouped, nodes, said, self, selfIsFree, shunned, turn, up } = situation;
  const others = up ? [...nodes].filter((node) => node !== self && !said.has(node)) : [];
  const better = others.filter((node) => !shunned.has(node));
  const next = turn?.find((node) => better.includes(node) || (node === self && selfIsFree && !said.has(self)));
  if (selfIsFree && !said.has(self) && nodes.has(self) && (next ?? self) === self)
    return { to: "node", node: self, mayWait: nodes.size === 1 };
  const busy = [...nodes].filter((node) => said.get(node) === "busy" && (up || node === self));
  if (nodes.has(self) && !said.has(self)) busy.unshift(self);
  if (others.length > 0 && busy.length < MAX_ASKED) {
    if (grouped && turn === undefined && said.size === 0 && better.length > 1) return { to: "group" };
    // Better to wait here, where there is a worker too, than behind a stranger's.
    const last = !busy.includes(self) && (others.length === 1 || busy.length === MAX_ASKED - 1);
    return { to: "node", node: next ?? oneOf(better.length > 0 ? better : others), mayWait: last };
  }
  const full = [...said.values()].filter((why) => why === "full").length;
  if (busy.length === 0 || full >= MAX_ASKED) return { to: "nobody", why: full > 0 ? "full" : "gone" };
  return { to: "node", node: busy.includes(self) ? self : oneOf(busy), mayWait: true };
}

/** @param nodes - at least one */
function oneOf(nodes: readonly string[]): string {
  const [first = ""] = nodes;
  return nodes.length > 1 ? (nodes[randomInt(nodes.length)] ?? first) : first;
}
