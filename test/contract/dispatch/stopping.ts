import { registerWorker, startTask } from "../../workers/support.js";
import { end, expectNothingLeft, type StartNodes } from "./support.js";

/** Tests of nodes that stop or drain. */
export function stoppingSuite(start: StartNodes): void {
  test("fails the calls of a stopping node, and returns the tasks of its workers", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"], { capacity: 10 });
    const requested = Array.from({ length: 5 }, () => startTask(near.dispatch, "a"));
    for (const _ of requested) await worker.assigned.next();
    await far.stop();
    for (const { ends, outcome } of requested) {
      expect(await outcome).toMatchObject({ code: "unavailable" });
      expect(ends()).toBe(1);
    }
    await expect(registerWorker(far, ["a"])).rejects.toMatchObject({ code: "unavailable" });
    expect(await startTask(far.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
    await expectNothingLeft(nodes);
  });

  test("lets the workers of a draining node finish their tasks", async () => {
    const { far, near } = await start();
    const worker = await registerWorker(far, ["a"], { capacity: 10 });
    const { outcome } = startTask(near.dispatch, "a");
    const { id } = await worker.assigned.next();
    let drained = false;
    const draining = far.dispatch.drain().then(() => {
      drained = true;
    });
    expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
    expect(drained).toBe(false);
    end(worker, id, "done");
    expect(await outcome).toEqual({ parts: ["done"] });
    await draining;
  });
}
