import type { Json } from "../../src/access/decide/principal.js";
import type { Answers } from "../../src/cluster/cluster.js";
import type { Cursors, PageAnswer } from "../../src/cluster/replica-messages.js";
import { Replicas } from "../../src/cluster/replicas.js";
import { Queue } from "../support/queue.js";

interface Item {
  readonly id: number;
}

interface PageRequest {
  readonly cursors: Cursors;
  readonly answer: (pages: Readonly<Record<string, Json>>, missing?: readonly string[]) => void;
}

function page(ids: readonly number[], more = false): Json {
  return { count: 10, items: ids.map((id) => ({ id })), more };
}

/** Creates replicas of nodes that answer as the test says. */
class Stage {
  readonly requests = new Queue<PageRequest>();
  readonly items: number[] = [];
  readonly replicas = new Replicas<Item, null>({
    nodes: () => ["a", "b"],
    ask: (cursors) =>
      new Promise<Answers>((resolve) => {
        this.requests.push({
          cursors,
          answer: (pages, missing = []) => {
            resolve({ answers: new Map(Object.entries(pages)), missing });
          },
        });
      }),
    pageOf: (answer) => {
      if (answer === "invalid") throw new TypeError("invalid");
      return answer as unknown as PageAnswer<Item>;
    },
    events: {
      onAdded: ({ id }) => {
        this.items.push(id);
      },
      onRemoved: ({ id }) => {
        this.items.splice(this.items.indexOf(id), 1);
      },
    },
    lost: null,
  });
}

test("reads all nodes together, each to its last page", async () => {
  const { requests, items, replicas } = new Stage();
  const read = replicas.read();
  const first = await requests.next();
  expect(first.cursors).toEqual({});
  first.answer({ a: page([1, 2], true), b: page([11]) });
  const second = await requests.next();
  expect(second.cursors).toEqual({ a: 2, b: null });
  second.answer({ a: page([3]), b: null });
  await read;
  expect(items.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 11]);
});

test("ignores a late page of a node that has left and rejoined", async () => {
  const { requests, items, replicas } = new Stage();
  const read = replicas.read();
  (await requests.next()).answer({ a: page([1, 2], true), b: page([]) });
  const late = await requests.next();
  replicas.onNode("a", false);
  replicas.onNode("a", true);
  late.answer({ a: page([3]), b: null });
  const restarted = await requests.next();
  expect(restarted.cursors).toEqual({ b: null });
  restarted.answer({ a: page([1, 2, 3]), b: null });
  await read;
  expect(items).toEqual([1, 2, 3]);
});

test("ignores a late page of a node that has left", async () => {
  const { requests, items, replicas } = new Stage();
  const read = replicas.read();
  const { answer } = await requests.next();
  replicas.onNode("a", false);
  answer({ a: page([1]), b: page([11]) });
  await read;
  expect(items).toEqual([11]);
});

test("accepts the first page of a node that joins during a request", async () => {
  const { requests, items, replicas } = new Stage();
  const read = replicas.read();
  const { answer } = await requests.next();
  replicas.onNode("c", true);
  answer({ a: page([1]), b: page([11]), c: page([21]) });
  await read;
  expect(items).toEqual([1, 11, 21]);
});

test("repeats a failed read after the next message", async () => {
  const { requests, items, replicas } = new Stage();
  const read = replicas.read();
  (await requests.next()).answer({ a: "invalid", b: page([11]) });
  await expect(read).rejects.toThrow("invalid");
  replicas.checkCount("a", 10);
  const again = await requests.next();
  again.answer({ a: page([1]) }, ["b"]);
  await replicas.read();
  expect(items).toEqual([1]);
  replicas.checkCount("b", 10);
  const last = await requests.next();
  expect(last.cursors).toEqual({ a: null });
  last.answer({ a: null, b: page([11]) });
  await replicas.read();
  expect(items).toEqual([1, 11]);
});
