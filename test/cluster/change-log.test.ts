import { ChangeLog } from "../../src/cluster/change-log.js";
import type { Identified, ReplicaChanges } from "../../src/cluster/replica-messages.js";

/** Creates a log whose turns end when the test says so. */
class Stage {
  readonly sent: ReplicaChanges<Identified, null>[] = [];
  hasReceivers = true;
  #ends: (() => void)[] = [];
  readonly log = new ChangeLog<Identified, null>({
    endOfTurn: (run) => {
      this.#ends.push(run);
    },
    hasReceivers: () => this.hasReceivers,
    send: (changes) => {
      this.sent.push(changes);
    },
  });

  note(times = 1): void {
    for (let time = 0; time < times; time += 1) this.log.note((count) => ({ added: { id: count } }));
  }

  endTurn(): void {
    for (const run of this.#ends.splice(0)) run();
  }

  /** Counts of the first and last change of each batch. Each change must hold its own count. */
  get batches(): unknown[] {
    return this.sent.map(({ changes, first }) => {
      const ids = changes.map((change) => ("added" in change ? change.added.id : undefined));
      const fits = ids.every((id, position) => id === first + position);
      return fits ? [first, first + changes.length - 1] : ids;
    });
  }
}

test("sends the changes of a turn at its end, in batches of up to 200", () => {
  const stage = new Stage();
  stage.note(3);
  expect(stage.sent).toEqual([]);
  stage.endTurn();
  expect(stage.batches).toEqual([[1, 3]]);
  stage.note(450);
  stage.endTurn();
  expect(stage.batches.slice(1)).toEqual([
    [4, 203],
    [204, 403],
    [404, 453],
  ]);
  expect(stage.log.count).toBe(453);
});

test("sends pending changes immediately when it is flushed, and only once", () => {
  const stage = new Stage();
  stage.note(2);
  stage.log.flush();
  stage.endTurn();
  expect(stage.batches).toEqual([[1, 2]]);
});

test("only counts changes without receivers", () => {
  const stage = new Stage();
  stage.hasReceivers = false;
  stage.log.note(() => {
    throw new Error("created without receivers");
  });
  stage.hasReceivers = true;
  stage.note();
  stage.endTurn();
  expect(stage.batches).toEqual([[2, 2]]);
});

test("leaves no gap within a batch after changes without receivers", () => {
  const stage = new Stage();
  stage.note(2);
  stage.hasReceivers = false;
  stage.note();
  stage.hasReceivers = true;
  stage.note(2);
  stage.endTurn();
  expect(stage.batches).toEqual([[4, 5]]);
});

test("sends nothing when the receivers are gone at the end of the turn", () => {
  const stage = new Stage();
  stage.note();
  stage.hasReceivers = false;
  stage.endTurn();
  expect(stage.sent).toEqual([]);
});
