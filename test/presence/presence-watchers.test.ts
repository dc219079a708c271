import type { PresenceChange } from "../../src/presence/presence.js";
import { PresenceWatchers } from "../../src/presence/presence-watchers.js";
import { ManualClock } from "../support/manual-clock.js";
import { someone } from "./support.js";

/** A topic with a given number of members; the test ends its turns. */
class Stage {
  readonly clock = new ManualClock();
  readonly errors: string[] = [];
  readonly told: PresenceChange[] = [];
  count = 0;
  #ends: (() => void)[] = [];
  readonly audience = new PresenceWatchers(() => this.count, {
    clock: this.clock,
    endOfTurn: (run) => {
      this.#ends.push(run);
    },
    onError: (message) => {
      this.errors.push(message);
    },
  });

  watch(): () => void {
    return this.audience.add((change) => {
      this.told.push(change);
    });
  }

  join(id: string): void {
    this.count += 1;
    this.audience.note({ member: someone(id), here: true });
  }

  endTurn(): void {
    for (const run of this.#ends.splice(0)) run();
  }

  /** Joined members and counts of the reported changes. */
  get heard(): unknown[] {
    return this.told.map(({ count, joined }) => [joined.map(({ connectionId }) => connectionId).join(), count]);
  }
}

test("reports at the end of each turn for up to 100 members", () => {
  const stage = new Stage();
  stage.count = 97;
  stage.watch();
  for (const id of ["a", "b", "c"]) {
    stage.join(id);
    expect(stage.heard).not.toContainEqual([id, stage.count]);
    stage.endTurn();
  }
  expect(stage.heard).toEqual([
    ["a", 98],
    ["b", 99],
    ["c", 100],
  ]);
  expect(stage.clock.timers).toBe(0);
});

test("reports at most every 100 ms for more members, the first at the end of the turn", () => {
  const stage = new Stage();
  stage.count = 100;
  stage.watch();
  stage.join("a");
  stage.endTurn();
  stage.join("b");
  stage.endTurn();
  stage.clock.advance(60);
  stage.join("c");
  stage.clock.advance(39);
  stage.endTurn();
  expect(stage.heard).toEqual([["a", 101]]);
  stage.clock.advance(1);
  expect(stage.heard).toEqual([
    ["a", 101],
    ["b,c", 103],
  ]);
  stage.clock.advance(100);
  stage.join("d");
  stage.endTurn();
  expect(stage.heard.at(-1)).toEqual(["d", 104]);
  expect(stage.clock.timers).toBe(0);
});

test("reports 10,000 changes of a second in at most 11 reports", () => {
  const stage = new Stage();
  stage.count = 100;
  stage.watch();
  for (let number = 0; number < 10_000; number += 1) {
    stage.join(`c${number}`);
    if (number % 10 !== 9) continue;
    stage.endTurn();
    stage.clock.advance(1);
  }
  stage.clock.advance(100);
  expect(stage.told.flatMap(({ joined }) => joined)).toHaveLength(10_000);
  expect(stage.told.length).toBeLessThanOrEqual(11);
});

test("delays a report by at most 100 ms when the clock is set back", () => {
  const stage = new Stage();
  stage.count = 100;
  stage.watch();
  stage.clock.advance(50_000);
  stage.join("a");
  stage.endTurn();
  stage.clock.advance(-40_000);
  stage.join("b");
  stage.clock.advance(100);
  expect(stage.heard).toEqual([
    ["a", 101],
    ["b", 102],
  ]);
});

test("keeps nothing waiting when the last watch ends", () => {
  const stage = new Stage();
  const end = stage.watch();
  stage.count = 100;
  stage.join("a");
  stage.endTurn();
  stage.join("b");
  expect(stage.clock.timers).toBe(1);
  end();
  expect(stage.clock.timers).toBe(0);
  stage.watch();
  stage.join("c");
  stage.clock.advance(100);
  stage.endTurn();
  expect(stage.heard).toEqual([
    ["a", 101],
    ["c", 103],
  ]);
});

test("continues for other watchers when one ends, begins or throws during a report", () => {
  const stage = new Stage();
  const order: string[] = [];
  let endSecond: (() => void) | undefined;
  stage.audience.add(() => {
    order.push("first");
    endSecond?.();
    stage.audience.add(() => {
      order.push("late");
    });
    throw new Error("a fault of the watcher");
  });
  endSecond = stage.audience.add(() => {
    order.push("second");
  });
  stage.audience.add(() => {
    order.push("third");
  });
  stage.join("a");
  stage.endTurn();
  expect(order).toEqual(["first", "third"]);
  expect(stage.errors).toEqual(["notifying a watcher of presence failed: a fault of the watcher"]);
});
