import { CarillonError } from "../../../src/errors.js";
import { registerEcho, registerWorker, requestOf, startTask } from "../../workers/support.js";
import { bytes, end, expectNothingLeft, type StartNodes } from "./support.js";

/** Tests of a task from its caller to a worker and back. */
export function deliverySuite(start: StartNodes): void {
  test("delivers a task to a worker with all its fields, and the answer to the caller", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["chat"]);
    const deadline = Date.now() + 60_000;
    const info = '{ "name":"Änn", "tags":["a",1.10,null], "tags":1724442618569203714 }';
    const payload = Uint8Array.from({ length: 256 }, (_, value) => value);
    const fields = { payload, topic: "room-1", connectionId: "c9", user: "ann", info, deadline };
    const { handle, ends, outcome } = startTask(near.dispatch, "chat", fields);

    const task = await worker.assigned.next();
    const { attempt, event, id, vhost, wantsAnswer } = task;
    expect({ attempt, event, id, vhost, wantsAnswer }).toEqual({
      attempt: 1,
      event: "chat",
      id: handle.taskId,
      vhost: "/",
      wantsAnswer: true,
    });
    expect({ ...task, payload: Buffer.from(task.payload) }).toMatchObject({
      payload: Buffer.from(payload),
      topic: "room-1",
      connectionId: "c9",
      user: "ann",
      info,
    });
    expect(Math.abs(task.deadline - deadline)).toBeLessThan(1_000);
    end(worker, id, "hällo");
    expect(await outcome).toEqual({ parts: ["hällo"] });
    expect(ends()).toBe(1);
    await expectNothingLeft(nodes);
  });

  test("reports nothing before the caller has the handle", async () => {
    const { near } = await start();
    await registerEcho(near, ["a"]);
    const { ends, outcome } = startTask(near.dispatch, "a");
    const refused = startTask(near.dispatch, "nobody");
    expect([ends(), refused.ends()]).toEqual([0, 0]);
    await Promise.all([outcome, refused.outcome]);
  });

  test("delivers the parts of an answer in order", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const { outcome, parts, takes } = startTask(near.dispatch, "a");
    const { id } = await worker.assigned.next();
    worker.registration.answer(id, bytes("0"), true);
    expect(await parts.next()).toBe("0");
    expect(takes()).toBe(1);
    for (let number = 1; number < 50; number += 1) worker.registration.answer(id, bytes(String(number)), true);
    end(worker, id, "end");
    worker.registration.answer(id, bytes("too much"), false);
    expect(await outcome).toEqual({ parts: [...Array.from({ length: 50 }, (_, number) => String(number)), "end"] });
    expect(takes()).toBe(1);
    await expectNothingLeft(nodes);
  });

  test("delivers payloads and answers of any size whole", async () => {
    const { far, near, nodes } = await start();
    await registerEcho(far, ["a"]);
    for (const size of [0, 40_000, 60_000, 100_000, 3_000_000]) {
      const payload = Buffer.alloc(size, "abcdefghij");
      const { outcome } = startTask(near.dispatch, "a", { payload });
      const { parts } = await outcome;
      expect(parts.length).toBe(1);
      expect(parts[0] === payload.toString()).toBe(true);
    }
    const { outcome } = startTask(near.dispatch, "a", { payload: new Uint8Array((16 << 20) + 1) });
    expect(await outcome).toMatchObject({ code: "resource_exhausted" });
    await expectNothingLeft(nodes);
  });

  test("reports an answer that is too large as a failure of the worker", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const { outcome } = startTask(near.dispatch, "a");
    const { id } = await worker.assigned.next();
    worker.registration.answer(id, new Uint8Array((16 << 20) + 1), false);
    expect(await outcome).toMatchObject({ code: "resource_exhausted" });
    expect(await worker.cancelled.next()).toBe(id);
    await expectNothingLeft(nodes);
  });

  test("passes the failure that a worker reports to the caller", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a"]);
    const { outcome } = startTask(near.dispatch, "a");
    const { id } = await worker.assigned.next();
    worker.registration.fail(id, new CarillonError("not_found", "no such röom"));
    expect(await outcome).toEqual({ parts: [], code: "not_found", message: "no such röom" });
    await expectNothingLeft(nodes);
  });

  test("continues when a worker's connection or a caller throws", async () => {
    const { far, near, nodes } = await start();
    const registration = await far.dispatch.registerWorker(
      { vhost: "/", events: ["a"], capacity: 10, name: "" },
      {
        assign: () => {
          throw new Error("a fault of the connection");
        },
        cancel: () => {
          throw new Error("a fault of the connection");
        },
      },
    );
    near.dispatch.startTask(requestOf("nobody"), {
      onPart: () => {},
      onFailed: () => {
        throw new Error("a fault of the caller");
      },
    });
    const lost = startTask(near.dispatch, "a");
    await lost.taken;
    registration.unregister();
    expect(await lost.outcome).toMatchObject({ code: "unavailable" });
    await registerEcho(far, ["a"]);
    expect(await startTask(near.dispatch, "a").outcome).toEqual({ parts: ["a"] });
    expect(nodes.flatMap(({ errors }) => errors).length).toBe(2);
  });
}
