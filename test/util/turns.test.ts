import { TurnQueue } from "../../src/util/turns.js";

/** Creates a queue whose turns the test runs. */
function manualQueue(budget: number) {
  const turns: (() => void)[] = [];
  const queue = new TurnQueue(budget, (run) => turns.push(run));
  return {
    queue,
    /** Runs a turn. Returns false when none was scheduled. */
    takeTurn: (): boolean => {
      const run = turns.shift();
      run?.();
      return run !== undefined;
    },
  };
}

function* work(name: string, parts: number, done: string[]): Generator<number, string> {
  for (let part = 1; part <= parts; part += 1) {
    done.push(`${name}${part}`);
    yield 1;
  }
  return name;
}

test("does nothing in the caller's turn, then one slice per turn", async () => {
  const { queue, takeTurn } = manualQueue(2);
  const done: string[] = [];
  const result = queue.run("a", work("a", 3, done));
  expect(done).toEqual([]);
  takeTurn();
  expect(done).toEqual(["a1", "a2"]);
  takeTurn();
  expect(await result).toBe("a");
  expect(takeTurn()).toBe(false);
});

test("lets keys take turns, and runs jobs of one key in order", async () => {
  const { queue, takeTurn } = manualQueue(1);
  const done: string[] = [];
  const results = [
    queue.run("many", work("a", 2, done)),
    queue.run("many", work("b", 1, done)),
    queue.run("few", work("c", 2, done)),
  ];
  while (takeTurn()) {
    // Runs turns until all jobs are done.
  }
  expect(await Promise.all(results)).toEqual(["a", "b", "c"]);
  expect(done).toEqual(["a1", "c1", "a2", "c2", "b1"]);
});

test("ends small jobs in one turn, together with a slice of the next", async () => {
  const { queue, takeTurn } = manualQueue(5);
  const done: string[] = [];
  const small = [queue.run("a", work("a", 1, done)), queue.run("b", work("b", 2, done))];
  const large = queue.run("a", work("c", 3, done));
  takeTurn();
  expect(done).toEqual(["a1", "b1", "b2", "c1", "c2"]);
  expect(await Promise.all(small)).toEqual(["a", "b"]);
  takeTurn();
  expect(await large).toBe("c");
});

test("continues with other jobs when one throws", async () => {
  const { queue, takeTurn } = manualQueue(1);
  const failing = queue.run("a", {
    next: () => {
      throw new Error("broken");
    },
  });
  const other = queue.run("a", work("b", 0, []));
  takeTurn();
  await expect(failing).rejects.toThrow("broken");
  expect(await other).toBe("b");
});
