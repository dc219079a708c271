import { registerEcho, registerWorker, startTask, type TestWorker } from "../../workers/support.js";
import { bytes, end, expectNothingLeft, type StartNodes } from "./support.js";

/** Tests of triggers, and of workers that get nothing else. */
export function triggersSuite(start: StartNodes): void {
  test("X21: gives triggers, and no calls, to a worker that cannot answer", async () => {
    const { far, near, nodes } = await start();
    const mute = await registerWorker(far, ["*"], { answers: false, capacity: 100 });
    expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
    expect(await startTask(far.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
    const triggered = startTask(near.dispatch, "a", { wantsAnswer: false });
    const { event, id, wantsAnswer } = await mute.assigned.next();
    expect({ event, wantsAnswer }).toEqual({ event: "a", wantsAnswer: false });
    end(mute, id, "");
    expect(await triggered.outcome).toEqual({ parts: [""] });

    // For calls, the more specific pattern has no worker.
    const registration = await registerEcho(near, ["*"]);
    const specific = await registerWorker(far, ["a"], { answers: false });
    expect(await startTask(far.dispatch, "a").outcome).toEqual({ parts: ["a"] });
    const another = startTask(near.dispatch, "a", { wantsAnswer: false });
    end(specific, (await specific.assigned.next()).id, "");
    expect(await another.outcome).toEqual({ parts: [""] });
    registration.unregister();
    expect(await startTask(far.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
    expect(mute.assigned.unread).toEqual([]);
    await expectNothingLeft(nodes);
  });

  test("X21: fails waiting calls when the last worker that answers leaves", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const mute = await registerWorker(far, ["a"], { answers: false });
    const first = startTask(near.dispatch, "a");
    await first.taken;
    const waiting = startTask(near.dispatch, "a");
    await waiting.taken;
    worker.registration.unregister();
    expect(await first.outcome).toMatchObject({ code: "unavailable" });
    expect(await waiting.outcome).toMatchObject({ code: "unavailable" });
    expect(mute.assigned.unread).toEqual([]);
    await expectNothingLeft(nodes);
  });

  test("X21: rotates triggers among workers of both kinds", async () => {
    const { near, nodes } = await start();
    const workers = [];
    for (const node of nodes) {
      workers.push(await registerWorker(node, ["*"], { capacity: 1 }));
      workers.push(await registerWorker(node, ["*"], { capacity: 1, answers: false }));
    }
    // A worker gets no task until it is welcomed.
    await new Promise(setImmediate);
    const requested = workers.map(() => startTask(near.dispatch, "a", { wantsAnswer: false }));
    for (const worker of workers) end(worker, (await worker.assigned.next()).id, "");
    for (const { outcome } of requested) expect(await outcome).toEqual({ parts: [""] });
    await expectNothingLeft(nodes);
  });

  test("X20: rotates triggers among the nodes and the workers of each, regardless of their free capacity", async () => {
    const { near, nodes } = await start();
    const workers: TestWorker[] = [];
    for (const node of nodes) {
      workers.push(await registerWorker(node, ["*"], { capacity: 100 }));
      workers.push(await registerWorker(node, ["*"], { capacity: 10 }));
    }
    // A worker gets no task until it is welcomed.
    await new Promise(setImmediate);
    const requested = Array.from({ length: 3 * workers.length }, () =>
      startTask(near.dispatch, "a", { wantsAnswer: false }),
    );
    for (const { taken } of requested) await taken;
    for (const worker of workers) {
      expect(worker.assigned.unread).toHaveLength(3);
      for (const { id } of worker.assigned.unread) end(worker, id, "");
    }
    for (const { outcome } of requested) expect(await outcome).toEqual({ parts: [""] });
    await expectNothingLeft(nodes);
  });

  test("K5: reports once that a worker has a trigger, and not while it waits", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const first = startTask(near.dispatch, "a", { wantsAnswer: false });
    await first.assigned;
    expect(first.takes()).toBe(1);
    const waiting = startTask(near.dispatch, "a", { wantsAnswer: false });
    const call = startTask(near.dispatch, "a");
    await Promise.all([waiting.taken, call.taken]);
    end(worker, (await worker.assigned.next()).id, "");
    await first.outcome;
    await waiting.assigned;
    expect([first.assignments(), waiting.assignments(), waiting.takes()]).toEqual([1, 1, 1]);
    // A reassigned trigger is not reported again.
    const other = await registerWorker(far, ["a"], { capacity: 2 });
    worker.registration.unregister();
    for (const _ of [waiting, call]) end(other, (await other.assigned.next()).id, "");
    for (const { outcome } of [waiting, call]) expect(await outcome).toEqual({ parts: [""] });
    expect([waiting.assignments(), call.assignments()]).toEqual([1, 0]);
    await expectNothingLeft(nodes);
  });

  test("reports that a trigger was taken, and ends it without a payload", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const { outcome, taken } = startTask(near.dispatch, "a", { wantsAnswer: false, topic: "room" });
    await taken;
    const { id, topic, wantsAnswer } = await worker.assigned.next();
    expect({ topic, wantsAnswer }).toEqual({ topic: "room", wantsAnswer: false });
    worker.registration.answer(id, bytes("part"), true);
    end(worker, id, "done");
    expect(await outcome).toEqual({ parts: [""] });
    await expectNothingLeft(nodes);
  });
}
