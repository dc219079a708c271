import { chooseRoute, type RouteInputs, type TaskRoute } from "../../src/workers/caller/route.js";
import type { RefusalReason } from "../../src/workers/wire/task-messages.js";

function route(situation: {
  readonly nodes: readonly string[];
  readonly refusals?: Readonly<Record<string, RefusalReason>>;
  readonly avoided?: readonly string[];
  readonly selfIsFree?: boolean;
  readonly up?: boolean;
  readonly grouped?: boolean;
  readonly rotation?: readonly string[];
}): TaskRoute {
  const { grouped = true, nodes, refusals = {}, selfIsFree = false, avoided = [], rotation, up = true } = situation;
  const complete: RouteInputs = {
    nodes: new Set(nodes),
    self: "self",
    up,
    selfIsFree,
    grouped,
    rotation,
    refusals: new Map(Object.entries(refusals)),
    avoided: new Set(avoided),
  };
  return chooseRoute(complete);
}

const node = (name: string, mayWait: boolean): TaskRoute => ({ to: "node", node: name, mayWait });

test("chooses a free worker of this node first, and then lets the bus choose", () => {
  expect(route({ nodes: ["self"], selfIsFree: true })).toEqual(node("self", true));
  expect(route({ nodes: ["a", "b", "self"], selfIsFree: true })).toEqual(node("self", false));
  expect(route({ nodes: ["a", "b", "self"] })).toEqual({ to: "group" });
  expect(route({ nodes: ["a", "b"] })).toEqual({ to: "group" });
});

test("lets the task wait when there is a single node", () => {
  expect(route({ nodes: ["self"] })).toEqual(node("self", true));
  expect(route({ nodes: ["a"] })).toEqual(node("a", true));
});

test("asks each node once while others remain, and lets the task wait at the last", () => {
  expect(route({ nodes: ["a", "b"], refusals: { a: "busy" } })).toEqual(node("b", true));
  expect(["b", "c"]).toContainEqual(Object(route({ nodes: ["a", "b", "c"], refusals: { a: "busy" } })).node);
  expect(route({ nodes: ["a", "b", "c"], refusals: { a: "busy", b: "gone" } })).toEqual(node("c", true));
  expect(route({ nodes: ["a", "b", "self"], refusals: { a: "busy" } })).toEqual(node("b", false));
  expect(route({ nodes: ["a", "self"] })).toEqual(node("a", false));
});

test("lets the task wait when three nodes, or all of them, are busy, at this node if possible", () => {
  expect(route({ nodes: ["a", "self"], refusals: { a: "busy" } })).toEqual(node("self", true));
  expect(route({ nodes: ["a", "b"], refusals: { a: "busy", b: "gone" } })).toEqual(node("a", true));
  const refusals = { a: "busy", b: "busy", c: "busy" } as const;
  const found = route({ nodes: ["a", "b", "c", "d", "e"], refusals });
  expect(found).toMatchObject({ to: "node", mayWait: true });
  expect(["a", "b", "c"]).toContain(found.to === "node" && found.node);
});

test("prefers busy nodes to full ones, and gives up after three full ones", () => {
  expect(route({ nodes: ["a", "b"], refusals: { a: "full", b: "busy" } })).toEqual(node("b", true));
  expect(route({ nodes: ["a", "b"], refusals: { a: "full", b: "gone" } })).toEqual({ to: "none", reason: "full" });
  const refusals = { a: "full", b: "full", c: "full", d: "busy" } as const;
  expect(route({ nodes: ["a", "b", "c", "d"], refusals })).toEqual({ to: "none", reason: "full" });
  expect(route({ nodes: ["a"], refusals: { a: "gone" } })).toEqual({ to: "none", reason: "gone" });
  expect(route({ nodes: [] })).toEqual({ to: "none", reason: "gone" });
});

test("asks nodes that did not answer last", () => {
  expect(route({ nodes: ["a", "b"], avoided: ["a"], grouped: false })).toEqual(node("b", false));
  expect(route({ nodes: ["a"], avoided: ["a"], grouped: false })).toEqual(node("a", true));
  expect(route({ nodes: ["a", "b"], avoided: ["a"], refusals: { b: "gone" }, grouped: false })).toEqual(
    node("a", true),
  );
});

test("chooses this node only while others cannot be reached", () => {
  expect(route({ nodes: ["a", "b", "self"], up: false })).toEqual(node("self", true));
  expect(route({ nodes: ["a", "b"], up: false })).toEqual({ to: "none", reason: "gone" });
  expect(route({ nodes: ["a", "b"], refusals: { a: "busy" }, up: false })).toEqual({ to: "none", reason: "gone" });
});

test("X20: offers a trigger to the next node in the rotation that may have a free worker", () => {
  const nodes = ["a", "self", "b"];
  const rotation = ["a", "self", "b"];
  expect(route({ nodes, rotation, selfIsFree: true })).toEqual(node("a", false));
  expect(route({ nodes, rotation, selfIsFree: true, refusals: { a: "busy" } })).toEqual(node("self", false));
  expect(route({ nodes, rotation, refusals: { a: "busy" } })).toEqual(node("b", false));
  expect(route({ nodes, rotation, refusals: { a: "busy", b: "gone" } })).toEqual(node("self", true));
  expect(route({ nodes, rotation: ["self", "b", "a"], selfIsFree: true })).toEqual(node("self", false));
  expect(route({ nodes, rotation: ["self", "b", "a"] })).toEqual(node("b", false));
  expect(route({ nodes, rotation, selfIsFree: true, avoided: ["a"] })).toEqual(node("self", false));
  expect(route({ nodes, rotation, selfIsFree: true, up: false })).toEqual(node("self", false));
  expect(route({ nodes, rotation, up: false })).toEqual(node("self", true));
  // The nodes may have changed since.
  expect(route({ nodes: ["b"], rotation, selfIsFree: false })).toEqual(node("b", true));
  expect(route({ nodes: ["c", "d"], rotation, refusals: { d: "gone" } })).toEqual(node("c", true));
});

test("offers a task to a bounded number of nodes, whatever they answer", () => {
  const answers: readonly RefusalReason[] = ["busy", "full", "gone"];
  for (let seed = 0; seed < 2_000; seed += 1) {
    const nodes = Array.from({ length: (seed % 6) + 1 }, (_, number) => `n${number}`);
    const refusals: Record<string, RefusalReason> = {};
    let offers = 0;
    for (;;) {
      const rotation = seed % 2 === 0 ? undefined : nodes;
      const found = route({ nodes, refusals, grouped: offers === 0, ...(rotation && { rotation }) });
      if (found.to === "none") break;
      offers += 1;
      const asked = found.to === "node" ? found.node : (nodes[seed % nodes.length] ?? "");
      const mayWait = found.to === "node" && found.mayWait;
      const why = answers[(seed * 7 + offers * 13) % 3] ?? "gone";
      refusals[asked] = why === "busy" && mayWait ? "full" : why;
    }
    expect(offers).toBeLessThanOrEqual(2 * nodes.length);
  }
});
