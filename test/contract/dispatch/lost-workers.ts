import {
  registerEcho,
  registerWorker,
  startTask,
  type TestDispatch,
  type TestWorker,
  whoHas,
} from "../../workers/support.js";
import { bytes, end, expectNothingLeft, type StartNodes } from "./support.js";

/** Tests of tasks whose worker leaves, drains or falls silent. */
export function lostWorkersSuite(start: StartNodes): void {
  test("gives the tasks of a leaving worker to others, as the next attempt", async () => {
    const { far, near, nodes } = await start();
    const first = await registerWorker(far, ["a"], { capacity: 10 });
    const requested = [];
    for (let number = 0; number < 5; number += 1) {
      requested.push(startTask(near.dispatch, "a", { payload: bytes(String(number)) }));
    }
    const tasks = [];
    for (const _ of requested) tasks.push(await first.assigned.next());
    first.registration.acknowledge(tasks[0]?.id ?? "");
    const second = await registerWorker(near, ["a"], { capacity: 10 });
    first.registration.unregister();
    for (const _ of requested) {
      const { attempt, id, payload } = await second.assigned.next();
      expect(attempt).toBe(2);
      expect(tasks.map((task) => task.id)).toContain(id);
      end(second, id, Buffer.from(payload).toString());
    }
    for (const [position, { ends, outcome }] of requested.entries()) {
      expect(await outcome).toEqual({ parts: [String(position)] });
      expect(ends()).toBe(1);
    }
    end(first, tasks[0]?.id ?? "", "not heeded");
    await expectNothingLeft(nodes);
  });

  test("fails a task after three lost workers, and tries no fourth", async () => {
    const { far, near, nodes } = await start();
    const workers = [];
    for (let number = 0; number < 4; number += 1) workers.push(await registerWorker(far, ["a"]));
    const { outcome } = startTask(near.dispatch, "a");
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const had = await whoHas(workers);
      expect(had.assigned.unread).toMatchObject([{ attempt }]);
      had.registration.unregister();
      workers.splice(workers.indexOf(had), 1);
    }
    expect(await outcome).toMatchObject({ code: "unavailable", message: expect.stringContaining("3 times") });
    await expectNothingLeft(nodes);
    expect(workers.flatMap(({ assigned }) => assigned.unread)).toEqual([]);
  });

  test("fails a task when no other worker is left after the first is lost", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const { outcome } = startTask(near.dispatch, "a");
    await worker.assigned.next();
    worker.registration.unregister();
    expect(await outcome).toMatchObject({ code: "unavailable" });
    await expectNothingLeft(nodes);
  });

  test("fails a call when its worker is lost after a part of the answer, and does not retry", async () => {
    const { far, near, nodes } = await start();
    const [first, second] = [await registerWorker(far, ["a"]), await registerWorker(near, ["b"])];
    const { outcome, parts } = startTask(near.dispatch, "a");
    const { id } = await first.assigned.next();
    first.registration.answer(id, bytes("1"), true);
    await parts.next();
    const other = await registerWorker(far, ["a"]);
    first.registration.unregister();
    expect(await outcome).toMatchObject({ parts: ["1"], code: "unavailable" });
    await expectNothingLeft(nodes);
    expect([...other.assigned.unread, ...second.assigned.unread]).toEqual([]);
  });

  test("moves or returns waiting tasks when their worker leaves or drains", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const runs = startTask(near.dispatch, "a");
    const { id } = await worker.assigned.next();
    const waits = startTask(near.dispatch, "a");
    await waits.taken;
    worker.registration.drain();
    expect(await waits.outcome).toMatchObject({ code: "unavailable" });
    expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
    end(worker, id, "done");
    expect(await runs.outcome).toEqual({ parts: ["done"] });
    await expectNothingLeft(nodes);
  });

  test("reassigns a task that is not acknowledged, and gives the silent worker none until it reports something", async () => {
    const { far, near, nodes } = await start({ acknowledgeWithin: 300 });
    const silent = await registerWorker(far, ["a"], { capacity: 10 });
    const { outcome } = startTask(near.dispatch, "a");
    const { id } = await silent.assigned.next();
    const other = await registerWorker(far, ["a"]);
    expect(await silent.cancelled.next()).toBe(id);
    const again = await other.assigned.next();
    expect(again).toMatchObject({ id, attempt: 2 });
    const next = startTask(near.dispatch, "a");
    await next.taken;
    end(other, id, "done");
    expect(await outcome).toEqual({ parts: ["done"] });
    end(other, (await other.assigned.next()).id, "done");
    expect(await next.outcome).toEqual({ parts: ["done"] });
    expect(silent.assigned.unread).toEqual([]);

    silent.registration.acknowledge(id);
    const third = startTask(near.dispatch, "a");
    end(silent, (await silent.assigned.next()).id, "here again");
    expect(await third.outcome).toEqual({ parts: ["here again"] });
    await expectNothingLeft(nodes);
  });

  test("ends every task exactly once while workers come and go", async () => {
    const { far, near, nodes } = await start();
    const workers = new Set<TestWorker>();
    const addWorker = async (node: TestDispatch): Promise<void> => {
      const worker = await registerWorker(node, ["a"], { capacity: 5 });
      workers.add(worker);
      void (async () => {
        for (;;) {
          const { id, payload } = await worker.assigned.next();
          const text = Buffer.from(payload).toString();
          // Every third task stays with its worker, so that workers always leave with some.
          if (Number(text) % 3 === 0 && workers.size > 2) continue;
          end(worker, id, text);
        }
      })();
    };
    for (const node of nodes) {
      await addWorker(node);
      await addWorker(node);
    }
    const requested = [];
    for (let round = 0; round < 20; round += 1) {
      for (let number = 0; number < 15; number += 1) {
        const { dispatch } = nodes[number % nodes.length] ?? near;
        requested.push(startTask(dispatch, "a", { payload: bytes(String(requested.length)) }));
      }
      const [oldest] = workers;
      const node = nodes[round % nodes.length] ?? near;
      await addWorker(node);
      oldest?.registration.unregister();
      if (oldest !== undefined) workers.delete(oldest);
    }
    // Tasks that a worker still holds end when it leaves.
    const last = await registerEcho(far, ["a"], { capacity: 1_000 });
    for (const { registration } of workers) registration.unregister();
    const outcomes = await Promise.all(requested.map(({ outcome }) => outcome));
    last.unregister();
    const answered = outcomes.filter((outcome, position) => outcome.parts[0] === String(position)).length;
    const refused = outcomes.filter((outcome) => "code" in outcome && outcome.code === "unavailable").length;
    expect(answered + refused).toBe(requested.length);
    expect(requested.every(({ ends }) => ends() === 1)).toBe(true);
    expect(answered).toBeGreaterThan(requested.length / 2);
    await expectNothingLeft(nodes);
  });
}
