import { registerEcho, registerWorker, startTask, type TestWorker, whoHas } from "../../workers/support.js";
import { bytes, end, expectNothingLeft, type StartNodes } from "./support.js";

/** Tests of which worker gets a task. */
export function distributionSuite(start: StartNodes): void {
  test("gives a worker as many tasks as its capacity, and lets others wait in order", async () => {
    const { far, near, nodes } = await start();
    const worker = await registerWorker(far, ["a", "b"], { capacity: 2 });
    const requested = [];
    for (const [position, event] of ["a", "b", "b", "a", "b"].entries()) {
      const task = startTask(near.dispatch, event, { payload: bytes(String(position)) });
      await task.taken;
      requested.push(task);
    }
    expect(worker.assigned.unread.length).toBe(2);
    const order: string[] = [];
    for (const { outcome } of requested) {
      const { id, payload } = await worker.assigned.next();
      order.push(Buffer.from(payload).toString());
      end(worker, id, "done");
      await outcome;
      expect(worker.assigned.unread.length).toBeLessThanOrEqual(2);
    }
    expect(order).toEqual(["0", "1", "2", "3", "4"]);
    await expectNothingLeft(nodes);
  });

  test("X22: lists the workers of a vhost on all nodes", async () => {
    const { far, near } = await start();
    expect(await near.dispatch.list("/")).toEqual({ workers: [], more: false, missing: [] });
    const answering = await registerWorker(far, ["a", "b"], { name: "one", capacity: 5 });
    const mute = await registerWorker(near, ["*"], { name: "two", answers: false });
    await registerWorker(far, ["a"], { vhost: "/other" });
    const { outcome } = startTask(near.dispatch, "a");
    const { id } = await answering.assigned.next();
    const { workers, ...rest } = await near.dispatch.list("/");
    expect(rest).toEqual({ more: false, missing: [] });
    const expected = [
      {
        id: answering.registration.workerId,
        node: far.member.node,
        name: "one",
        events: ["a", "b"],
        capacity: 5,
        answers: true,
        tasks: 1,
      },
      {
        id: mute.registration.workerId,
        node: near.member.node,
        name: "two",
        events: ["*"],
        capacity: 1,
        answers: false,
        tasks: 0,
      },
    ];
    expect(workers.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(expected);
    expect((await far.dispatch.list("/")).workers).toEqual(workers);
    mute.registration.unregister();
    expect((await near.dispatch.list("/")).workers).toHaveLength(1);
    end(answering, id, "done");
    await outcome;
  });

  test("gives tasks to a free worker on any node", async () => {
    const { near, nodes } = await start();
    const workers: TestWorker[] = [];
    for (const node of nodes) workers.push(await registerWorker(node, ["a"]), await registerWorker(node, ["a"]));
    const requested = workers.map(() => startTask(near.dispatch, "a"));
    // Each worker has one task: with a task waiting beside a free worker, one of these would have none.
    const tasks = await Promise.all(workers.map((worker) => worker.assigned.next()));
    for (const [position, worker] of workers.entries()) end(worker, tasks[position]?.id ?? "", "done");
    await Promise.all(requested.map(({ outcome }) => outcome));
    await expectNothingLeft(nodes);
  });

  test("gives the next task to the worker of a node with the most free capacity", async () => {
    const { far, near } = await start();
    const large = await registerWorker(far, ["a"], { capacity: 4 });
    const small = await registerWorker(far, ["a"], { capacity: 2 });
    for (let number = 0; number < 4; number += 1) await startTask(near.dispatch, "a").taken;
    expect([large.assigned.unread.length, small.assigned.unread.length]).toEqual([3, 1]);
  });

  test("rotates among workers with equal free capacity", async () => {
    const { far, near } = await start();
    const workers = [await registerWorker(far, ["a"]), await registerWorker(far, ["a"])];
    // A worker gets no task until it is welcomed.
    await new Promise(setImmediate);
    const turns = [];
    for (let number = 0; number < 6; number += 1) {
      const { outcome } = startTask(near.dispatch, "a");
      const worker = await whoHas(workers);
      end(worker, (await worker.assigned.next()).id, "done");
      await outcome;
      turns.push(workers.indexOf(worker));
    }
    const [first = 0] = turns;
    expect(turns).toEqual([first, 1 - first, first, 1 - first, first, 1 - first]);
  });

  test("chooses the most specific pattern, wherever its workers are", async () => {
    const { near, nodes } = await start();
    const patterns = ["re:chat/.*", "*", "chat/*", "chat/room-*", "chat/room-1", "orders.*.paid", "orders.>"];
    for (const [position, pattern] of patterns.entries()) {
      const node = nodes[position % nodes.length] ?? near;
      await registerEcho(node, [pattern], {}, () => pattern);
    }
    const answers: Record<string, string> = {
      "chat/room-1": "chat/room-1",
      "chat/room-2": "chat/room-*",
      "chat/lobby": "chat/*",
      "orders.7.paid": "orders.*.paid",
      "orders.7": "orders.>",
      orders: "*",
    };
    for (const { dispatch } of nodes) {
      for (const [event, answer] of Object.entries(answers)) {
        expect([event, await startTask(dispatch, event).outcome]).toEqual([event, { parts: [answer] }]);
      }
    }
  });

  test("falls back to the next pattern when the workers of the most specific one have left", async () => {
    const { far, near } = await start();
    const registration = await registerEcho(far, ["a", "b"], {}, () => "specific");
    await registerEcho(near, ["*"], {}, () => "all");
    expect(await startTask(near.dispatch, "a").outcome).toEqual({ parts: ["specific"] });
    registration.drain();
    expect(await startTask(near.dispatch, "a").outcome).toEqual({ parts: ["all"] });
  });

  test("keeps vhosts apart", async () => {
    const { far, near } = await start();
    await registerEcho(far, ["*"], { vhost: "/one" }, () => "one");
    await registerEcho(near, ["*"], { vhost: "/one/two" }, () => "two");
    expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
    expect(await startTask(near.dispatch, "a", { vhost: "/one" }).outcome).toEqual({ parts: ["one"] });
    expect(await startTask(far.dispatch, "a", { vhost: "/one/two" }).outcome).toEqual({ parts: ["two"] });
  });
}
