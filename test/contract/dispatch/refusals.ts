import { registerEcho, registerWorker, startTask } from "../../workers/support.js";
import { end, expectNothingLeft, type StartNodes } from "./support.js";

/** Tests of tasks and workers that are refused, and of the limits. */
export function refusalsSuite(start: StartNodes): void {
  test("fails at once when there is no worker, and when the last has left", async () => {
    const { far, near, nodes } = await start();
    expect(await startTask(near.dispatch, "a").outcome).toMatchObject({
      code: "unavailable",
      message: 'no worker handles event "a"',
    });
    const registration = await registerEcho(far, ["a"]);
    expect(await startTask(near.dispatch, "a").outcome).toEqual({ parts: ["a"] });
    registration.unregister();
    expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
    await expectNothingLeft(nodes);
  });

  test("refuses invalid requests", async () => {
    const { far, near, nodes } = await start();
    await registerEcho(far, ["*"]);
    for (const event of ["", "a b", "@a", "x".repeat(256)]) {
      expect(await startTask(near.dispatch, event).outcome).toMatchObject({ code: "invalid_argument" });
    }
    for (const deadline of [Date.now() - 1, Number.NaN]) {
      expect(await startTask(near.dispatch, "a", { deadline }).outcome).toMatchObject({ code: "deadline_exceeded" });
    }
    expect(await startTask(near.dispatch, "a", { deadline: Number.POSITIVE_INFINITY }).outcome).toEqual({
      parts: ["a"],
    });
    await expectNothingLeft(nodes);
  });

  test("refuses invalid workers", async () => {
    const { far, near } = await start();
    const wrong: Parameters<typeof registerWorker>[2][] = [
      { events: [] },
      { events: Array.from({ length: 101 }, (_, number) => `e${number}`) },
      { events: ["a b"] },
      { events: ["re:("] },
      { capacity: 0 },
      { capacity: 1.5 },
      { capacity: 10_001 },
      { name: "x".repeat(65) },
    ];
    for (const hello of wrong) {
      await expect(registerWorker(far, ["a"], hello)).rejects.toMatchObject({ code: "invalid_argument" });
    }
    expect(far.dispatch.workers).toBe(0);
    expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
  });

  test("refuses a task at once when too many wait, and keeps the waiting ones", async () => {
    const { far, near, nodes } = await start({ limits: { waiting: { count: 2, bytes: 1_000_000 } } });
    const worker = await registerWorker(far, ["a"]);
    const requested = [];
    for (let number = 0; number < 3; number += 1) {
      const task = startTask(near.dispatch, "a");
      await task.taken;
      requested.push(task);
    }
    expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "resource_exhausted" });
    for (const { outcome } of requested) {
      end(worker, (await worker.assigned.next()).id, "done");
      expect(await outcome).toEqual({ parts: ["done"] });
    }
    await expectNothingLeft(nodes);
  });

  test("refuses a task when too many bytes wait, by each vhost's own limits", async () => {
    const { far, near } = await start({ limits: { waiting: { count: 10, bytes: 3_000 } } });
    await registerWorker(far, ["a"]);
    await registerWorker(far, ["a"], { vhost: "/other" });
    const payload = new Uint8Array(1_000);
    await startTask(near.dispatch, "a", { payload }).taken;
    await startTask(near.dispatch, "a", { payload }).taken;
    expect(await startTask(near.dispatch, "a", { payload }).outcome).toMatchObject({ code: "resource_exhausted" });
    await startTask(near.dispatch, "a", { payload, vhost: "/other" }).taken;
    await startTask(near.dispatch, "a", { payload, vhost: "/other" }).taken;
  });

  test("refuses a task at once when too many are pending at the calling node", async () => {
    const { far, near } = await start({ limits: { requested: { count: 2, bytes: 1_000_000 } } });
    await registerWorker(far, ["a"], { capacity: 10 });
    const requested = [startTask(near.dispatch, "a"), startTask(near.dispatch, "a")];
    expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "resource_exhausted" });
    requested[0]?.handle.cancel();
    await startTask(near.dispatch, "a").taken;
  });
}
