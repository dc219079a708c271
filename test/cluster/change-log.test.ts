import { ChangeLog } from "../../src/cluster/change-log.js";
import type { Identified, ReplicaChanges } from "../../src/cluster/replica-messages.js";

/** A log whose turns end when the test says so. */
class Stage {
  readonly told: ReplicaChanges<Identified, null>[] = [];
  wanted = true;
  #ends: (() => void)[] = [];
  readonly log = new ChangeLog<Identified, null>({
    endOfTurn: (run) => {
      this.#ends.push(run);
    },
    wanted: () => this.wanted,
    tell: (changes) => {
      this.told.push(changes);
    },
  });

  note(times = 1): void {
    for (let time = 0; time < times; time += 1) this.log.note((count) => ({ added: { id: count } }));
  }

  endTurn(): void {
    for (const run of this.#ends.splice(0)) run();
  }

  /** Counts of the first and last of each word; every change must tell its own. */
  get heard(): unknown[] {
    return this.told.map(({ changes, first }) => {
      const ids = changes.map((change) => ("added" in change ? change.added.id : undefined));
      const fits = ids.every((id, position) => id === first + position);
      return fits ? [first, first + changes.length - 1] : ids;
    });
  }
}

test("changes of a turn are told at its end, in batches of up to 200", () => {
  const stage = new Stage();
  stage.note(3);
  expect(stage.told).toEqual([]);
  stage.endTurn();
  expect(stage.heard).toEqual([[1, 3]]);
  stage.note(450);
  stage.endTurn();
  expect(stage.heard.slice(1)).toEqual([
    [4, 203],
    [204, 403],
    [404, 453],
  ]);
  expect(stage.log.count).toBe(453);
});

test("what waits can be told at once, and is not told again", () => {
  const stage = new Stage();
  stage.note(2);
  stage.log.flush();
  stage.endTurn();
  expect(stage.heard).toEqual([[1, 2]]);
});

test("while nobody wants to know, changes are counted only", () => {
  const stage = new Stage();
  stage.wanted = false;
  stage.log.note(() => {
    throw new Error("worked out for nobody");
  });
  stage.wanted = true;
  stage.note();
  stage.endTurn();
  expect(stage.heard).toEqual([[2, 2]]);
});

test("what nobody wanted in between leaves no gap within a word", () => {
  const stage = new Stage();
  stage.note(2);
  stage.wanted = false;
  stage.note();
  stage.wanted = true;
  stage.note(2);
  stage.endTurn();
  expect(stage.heard).toEqual([[4, 5]]);
});

test("what nobody wants any more at the end of the turn is not told", () => {
  const stage = new Stage();
  stage.note();
  stage.wanted = false;
  stage.endTurn();
  expect(stage.told).toEqual([]);
});
