import fc from "fast-check";
import { Replica } from "../../src/cluster/replica.js";
import type { ReplicaChange as ChangeOf, ItemId, ReplicaChanges } from "../../src/cluster/replica-messages.js";

interface Item {
  readonly id: ItemId;
}

type Change = ChangeOf<Item, string>;

/** Items according to the reported changes. */
class ReportedItems {
  readonly items = new Set<ItemId>();
  readonly faults: string[] = [];
  readonly replica = new Replica<Item, string>(
    {
      onAdded: ({ id }) => {
        if (this.items.has(id)) this.faults.push(`${id} added twice`);
        this.items.add(id);
      },
      onRemoved: ({ id }) => {
        if (!this.items.delete(id)) this.faults.push(`${id} removed, but missing`);
      },
    },
    "lost",
  );

  /** Reads all pages of the source. */
  read(node: Node): void {
    if (this.replica.stale) this.replica.read();
    for (let { cursor } = this.replica; cursor !== null; { cursor } = this.replica) {
      this.replica.takePage(node.page(cursor));
    }
  }
}

/** The replicated node. */
class Node {
  readonly items = new Set<ItemId>();
  count = 0;
  readonly #newId: (count: number, choice: number) => ItemId;

  constructor(newId: (count: number, choice: number) => ItemId) {
    this.#newId = newId;
  }

  change(choice: number): ReplicaChanges<Item, string> {
    this.count += 1;
    const ids = [...this.items];
    const removed = choice % 3 === 0 ? ids[choice % ids.length] : undefined;
    const id = removed ?? this.#newId(this.count, choice);
    if (removed === undefined) this.items.add(id);
    else this.items.delete(id);
    const change: Change = removed === undefined ? { added: { id } } : { removed, why: "requested" };
    return { first: this.count, changes: [change] };
  }

  page(after: ItemId | undefined) {
    const rest = inOrder(this.items).filter((id) => after === undefined || id > after);
    return { count: this.count, items: rest.slice(0, 3).map((id) => ({ id })), more: rest.length > 3 };
  }
}

function inOrder(ids: Iterable<ItemId>): ItemId[] {
  return [...ids].toSorted((a, b) => (a < b ? -1 : 1));
}

/** A step of the test. `lost` and `late` say what happens to the message of its change. */
const steps = fc.array(
  fc.record({ choice: fc.nat(1_000), fate: fc.constantFrom("reported", "reported", "reported", "late", "lost") }),
  { maxLength: 80 },
);

const KINDS: readonly [string, (count: number, choice: number) => ItemId][] = [
  ["in any order", (count, choice) => `${(choice * 7) % 10}-${count}`],
  ["that grow", (count) => count],
];

test.each(KINDS)(
  "matches its source with ids %s when items change during reads, and messages are lost or late",
  (_, newId) => {
    fc.assert(
      fc.property(steps, steps, (before, during) => {
        const node = new Node(newId);
        for (const { choice } of before) node.change(choice);
        const reported = new ReportedItems();
        const { faults, replica, items } = reported;
        const late: ReplicaChanges<Item, string>[] = [];
        replica.read();
        for (const { choice, fate } of during) {
          const { cursor } = replica;
          if (choice % 4 === 0 && cursor !== null) replica.takePage(node.page(cursor));
          const changes = node.change(choice);
          // Late messages arrive before the next one, because messages of a node keep their order.
          if (fate === "reported") for (const message of [...late.splice(0), changes]) replica.takeChanges(message);
          else if (fate === "late") late.push(changes);
          if (replica.stale) replica.read();
        }
        // Earlier messages arrive before the node's count.
        for (const message of late) replica.takeChanges(message);
        for (let round = 0; round < 3; round += 1) {
          reported.read(node);
          replica.checkCount(node.count);
        }
        expect(faults).toEqual([]);
        expect(inOrder(items)).toEqual(inOrder(node.items));
        expect(inOrder([...replica.items].map(({ id }) => id))).toEqual(inOrder(items));
      }),
      { numRuns: 2_000 },
    );
  },
);

test("removes the items of a lost node with the reason lost", () => {
  const node = new Node((count) => count);
  for (const choice of [1, 2, 4]) node.change(choice);
  const removed: unknown[] = [];
  const replica = new Replica<Item, string>(
    {
      onAdded: () => {},
      onRemoved: ({ id }, why) => {
        removed.push([id, why]);
      },
    },
    "lost",
  );
  replica.read();
  replica.takePage(node.page(undefined));
  replica.end();
  expect(removed).toEqual([1, 2, 3].map((id) => [id, "lost"]));
  expect([...replica.items]).toEqual([]);
  expect(replica.stale).toBe(true);
});

test("keeps the object of an item that is read again", () => {
  const node = new Node((count) => count);
  node.change(1);
  const { read, replica } = boundTo(node);
  const [first] = replica.items;
  replica.invalidate();
  node.change(1);
  read();
  expect([...replica.items][0]).toBe(first);
  expect([...replica.items]).toHaveLength(2);
});

function boundTo(node: Node): { readonly replica: ReportedItems["replica"]; readonly read: () => void } {
  const reported = new ReportedItems();
  const read = (): void => {
    reported.read(node);
  };
  read();
  return { replica: reported.replica, read };
}
