import { registerWorker, startTask } from "../../workers/support.js";
import { bytes, end, expectNothingLeft, type StartNodes } from "./support.js";

/** Tests of tasks that are cancelled or reach their deadline. */
export function cancellingSuite(start: StartNodes): void {
  test("tells the worker of a cancelled task, ignores its answer, and frees it for others", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const first = startTask(near.dispatch, "a");
    const { id } = await worker.assigned.next();
    first.handle.cancel();
    first.handle.cancel();
    expect(await worker.cancelled.next()).toBe(id);
    end(worker, id, "too late");
    const second = startTask(near.dispatch, "a");
    end(worker, (await worker.assigned.next()).id, "done");
    expect(await second.outcome).toEqual({ parts: ["done"] });
    second.handle.cancel();
    expect(first.ends()).toBe(0);
    expect(worker.cancelled.unread).toEqual([]);
    await expectNothingLeft(nodes);
  });

  test("leaves nothing of a task that is cancelled before it is sent, while it waits, or between parts", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const never = startTask(near.dispatch, "a");
    never.handle.cancel();
    const runs = startTask(near.dispatch, "a");
    const { id } = await worker.assigned.next();
    expect(id).toBe(runs.handle.taskId);
    const waits = startTask(near.dispatch, "a");
    await waits.taken;
    expect(far.dispatch.waiting).toBe(1);
    waits.handle.cancel();
    worker.registration.answer(id, bytes("1"), true);
    await runs.parts.next();
    runs.handle.cancel();
    expect(await worker.cancelled.next()).toBe(id);
    await expectNothingLeft(nodes);
    expect(worker.assigned.unread).toEqual([]);
    expect([never.ends(), runs.ends(), waits.ends()]).toEqual([0, 0, 0]);
  });

  test("fails a task at its deadline, and cancels it at its worker", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const { outcome } = startTask(near.dispatch, "a", { deadline: Date.now() + 5_000 });
    const { id } = await worker.assigned.next();
    expect(await outcome).toMatchObject({ code: "deadline_exceeded" });
    expect(await worker.cancelled.next()).toBe(id);
    await expectNothingLeft(nodes);
  });
}
