import fc from "fast-check";
import type { ConnectionFacts } from "../../src/control/facts.js";
import { WatchView } from "../../src/control/watch-view.js";
import type { Change } from "../../src/control/watch-words.js";

function facts(id: string): ConnectionFacts {
  return {
    id,
    node: "n",
    user: null,
    info: {},
    dialect: "native",
    address: "",
    userAgent: "",
    connected: 0,
    expires: null,
    topicCount: 0,
  };
}

/** What a watcher has been told, as it would add it up. */
class Told {
  readonly open = new Set<string>();
  readonly faults: string[] = [];
  readonly view = new WatchView({
    onOpened: ({ id }) => {
      if (this.open.has(id)) this.faults.push(`${id} opened twice`);
      this.open.add(id);
    },
    onClosed: ({ id }) => {
      if (!this.open.delete(id)) this.faults.push(`${id} closed, and was not open`);
    },
  });
}

/** The node that is watched. */
class Node {
  readonly open = new Set<string>();
  count = 0;
  #made = 0;

  change(choice: number): { readonly first: number; readonly change: Change } {
    this.count += 1;
    const ids = [...this.open];
    const closes = choice % 3 === 0 && ids.length > 0;
    const id = closes ? (ids[choice % ids.length] ?? "") : `${(choice * 7) % 10}-${(this.#made += 1)}`;
    if (closes) this.open.delete(id);
    else this.open.add(id);
    return { first: this.count, change: closes ? { id, closed: 1_000 } : { id, opened: facts(id) } };
  }

  page(after: string) {
    const ids = [...this.open].filter((id) => id > after).toSorted((a, b) => (a < b ? -1 : 1));
    return { count: this.count, items: ids.slice(0, 3).map(facts), more: ids.length > 3 };
  }
}

/** `lose` and `late`: what becomes of the change that the step makes. */
const steps = fc.array(
  fc.record({ choice: fc.nat(1_000), fate: fc.constantFrom("told", "told", "told", "late", "lost") }),
  { maxLength: 80 },
);

test("pages that are read while connections come and go, with words lost and late, add up to what is", () => {
  fc.assert(
    fc.property(steps, steps, (before, during) => {
      const node = new Node();
      for (const { choice } of before) node.change(choice);
      const { faults, open, view } = new Told();
      const late: { readonly first: number; readonly change: Change }[] = [];
      view.read();
      for (const { choice, fate } of during) {
        if (choice % 4 === 0 && view.cursor !== null) view.takePage(node.page(view.cursor));
        const { change, first } = node.change(choice);
        // What was late comes before what is told next: words of a node keep their order.
        if (fate === "told") {
          for (const word of late.splice(0))
            view.takeChanges({ vhost: "/", first: word.first, changes: [word.change] });
          view.takeChanges({ vhost: "/", first, changes: [change] });
        } else if (fate === "late") {
          late.push({ first, change });
        }
        if (view.stale) view.read();
      }
      // The renewal: what was told before comes first, then the count.
      for (const word of late) view.takeChanges({ vhost: "/", first: word.first, changes: [word.change] });
      for (let round = 0; round < 3; round += 1) {
        if (view.stale) view.read();
        while (view.cursor !== null) view.takePage(node.page(view.cursor));
        view.checkCount(node.count);
      }
      expect(faults).toEqual([]);
      expect([...open].toSorted()).toEqual([...node.open].toSorted());
      expect([...view.connections].map(({ id }) => id).toSorted()).toEqual([...open].toSorted());
    }),
    { numRuns: 2_000 },
  );
});

test("the connections of a node that is gone are closed", () => {
  const node = new Node();
  for (const choice of [1, 2, 4]) node.change(choice);
  const { faults, open, view } = new Told();
  view.read();
  view.takePage(node.page(""));
  expect(open.size).toBe(3);
  view.end();
  expect([open.size, faults]).toEqual([0, []]);
});
