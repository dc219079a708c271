import { chooseRoute, type RoutingSituation, type TaskRoute } from "../../src/workers/caller/route.js";
import type { Why } from "../../src/workers/wire/task-messages.js";

function route(situation: {
  readonly nodes: readonly string[];
  readonly said?: Readonly<Record<string, Why>>;
  readonly shunned?: readonly string[];
  readonly selfIsFree?: boolean;
  readonly up?: boolean;
  readonly grouped?: boolean;
  readonly turn?: readonly string[];
}): TaskRoute {
  const { grouped = true, nodes, said = {}, selfIsFree = false, shunned = [], turn, up = true } = situation;
  const complete: RoutingSituation = {
    nodes: new Set(nodes),
    self: "self",
    up,
    selfIsFree,
    grouped,
    turn,
    said: new Map(Object.entries(said)),
    shunned: new Set(shunned),
  };
  return chooseRoute(complete);
}

const node = (name: string, mayWait: boolean): TaskRoute => ({ to: "node", node: name, mayWait });

test("a free worker of this node comes first, and then the bus chooses", () => {
  expect(route({ nodes: ["self"], selfIsFree: true })).toEqual(node("self", true));
  expect(route({ nodes: ["a", "b", "self"], selfIsFree: true })).toEqual(node("self", false));
  expect(route({ nodes: ["a", "b", "self"] })).toEqual({ to: "group" });
  expect(route({ nodes: ["a", "b"] })).toEqual({ to: "group" });
});

test("where there is one node only, the task may wait there", () => {
  expect(route({ nodes: ["self"] })).toEqual(node("self", true));
  expect(route({ nodes: ["a"] })).toEqual(node("a", true));
});

test("nodes that have answered are not asked again while there are others, and the last may let it wait", () => {
  expect(route({ nodes: ["a", "b"], said: { a: "busy" } })).toEqual(node("b", true));
  expect(["b", "c"]).toContainEqual(Object(route({ nodes: ["a", "b", "c"], said: { a: "busy" } })).node);
  expect(route({ nodes: ["a", "b", "c"], said: { a: "busy", b: "gone" } })).toEqual(node("c", true));
  expect(route({ nodes: ["a", "b", "self"], said: { a: "busy" } })).toEqual(node("b", false));
  expect(route({ nodes: ["a", "self"] })).toEqual(node("a", false));
});

test("when all are busy, or three are, it waits at one of them: at this node if it can", () => {
  expect(route({ nodes: ["a", "self"], said: { a: "busy" } })).toEqual(node("self", true));
  expect(route({ nodes: ["a", "b"], said: { a: "busy", b: "gone" } })).toEqual(node("a", true));
  const said = { a: "busy", b: "busy", c: "busy" } as const;
  const found = route({ nodes: ["a", "b", "c", "d", "e"], said });
  expect(found).toMatchObject({ to: "node", mayWait: true });
  expect(["a", "b", "c"]).toContain(found.to === "node" && found.node);
});

test("full nodes: the others that were busy, and after three nobody", () => {
  expect(route({ nodes: ["a", "b"], said: { a: "full", b: "busy" } })).toEqual(node("b", true));
  expect(route({ nodes: ["a", "b"], said: { a: "full", b: "gone" } })).toEqual({ to: "nobody", why: "full" });
  const said = { a: "full", b: "full", c: "full", d: "busy" } as const;
  expect(route({ nodes: ["a", "b", "c", "d"], said })).toEqual({ to: "nobody", why: "full" });
  expect(route({ nodes: ["a"], said: { a: "gone" } })).toEqual({ to: "nobody", why: "gone" });
  expect(route({ nodes: [] })).toEqual({ to: "nobody", why: "gone" });
});

test("nodes that have let it down come last, and are asked where there is nobody else", () => {
  expect(route({ nodes: ["a", "b"], shunned: ["a"], grouped: false })).toEqual(node("b", false));
  expect(route({ nodes: ["a"], shunned: ["a"], grouped: false })).toEqual(node("a", true));
  expect(route({ nodes: ["a", "b"], shunned: ["a"], said: { b: "gone" }, grouped: false })).toEqual(node("a", true));
});

test("while other nodes cannot be reached there is this one", () => {
  expect(route({ nodes: ["a", "b", "self"], up: false })).toEqual(node("self", true));
  expect(route({ nodes: ["a", "b"], up: false })).toEqual({ to: "nobody", why: "gone" });
  expect(route({ nodes: ["a", "b"], said: { a: "busy" }, up: false })).toEqual({ to: "nobody", why: "gone" });
});

test("X20: what goes to all in turn goes to the node whose turn it is, or the next that may have somebody free", () => {
  const nodes = ["a", "self", "b"];
  const turn = ["a", "self", "b"];
  expect(route({ nodes, turn, selfIsFree: true })).toEqual(node("a", false));
  expect(route({ nodes, turn, selfIsFree: true, said: { a: "busy" } })).toEqual(node("self", false));
  expect(route({ nodes, turn, said: { a: "busy" } })).toEqual(node("b", false));
  expect(route({ nodes, turn, said: { a: "busy", b: "gone" } })).toEqual(node("self", true));
  expect(route({ nodes, turn: ["self", "b", "a"], selfIsFree: true })).toEqual(node("self", false));
  expect(route({ nodes, turn: ["self", "b", "a"] })).toEqual(node("b", false));
  expect(route({ nodes, turn, selfIsFree: true, shunned: ["a"] })).toEqual(node("self", false));
  expect(route({ nodes, turn, selfIsFree: true, up: false })).toEqual(node("self", false));
  expect(route({ nodes, turn, up: false })).toEqual(node("self", true));
  // Which nodes there are may have changed since.
  expect(route({ nodes: ["b"], turn, selfIsFree: false })).toEqual(node("b", true));
  expect(route({ nodes: ["c", "d"], turn, said: { d: "gone" } })).toEqual(node("c", true));
});

test("whatever nodes say, a task is offered to few of them before it is settled", () => {
  const answers: readonly Why[] = ["busy", "full", "gone"];
  for (let seed = 0; seed < 2_000; seed += 1) {
    const nodes = Array.from({ length: (seed % 6) + 1 }, (_, number) => `n${number}`);
    const said: Record<string, Why> = {};
    let offers = 0;
    for (;;) {
      const turn = seed % 2 === 0 ? undefined : nodes;
      const found = route({ nodes, said, grouped: offers === 0, ...(turn && { turn }) });
      if (found.to === "nobody") break;
      offers += 1;
      const asked = found.to === "node" ? found.node : (nodes[seed % nodes.length] ?? "");
      const mayWait = found.to === "node" && found.mayWait;
      const why = answers[(seed * 7 + offers * 13) % 3] ?? "gone";
      said[asked] = why === "busy" && mayWait ? "full" : why;
    }
    expect(offers).toBeLessThanOrEqual(2 * nodes.length);
  }
});
