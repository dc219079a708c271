import { CarillonError } from "../../src/errors.js";
import type { DispatchLimits } from "../../src/workers/limits.js";
import {
  enter,
  enterEcho,
  requestOf,
  startTask,
  type TestDispatch,
  type TestWorker,
  whoHas,
} from "../workers/support.js";

export interface SetUpOptions {
  readonly limits?: Partial<DispatchLimits>;
  readonly acknowledgeWithin?: number;
}

/** Starts one or several nodes that know each other. */
export type SetUp = (options?: SetUpOptions) => Promise<readonly TestDispatch[]>;

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

function end({ registration }: TestWorker, id: string, text: string): void {
  registration.answer(id, bytes(text), false);
}

/** Tests the contract of workers/dispatch.ts, which every driver fulfils. */
export function dispatchContract(ofDriver: string, setUp: SetUp): void {
  describe(`dispatch: ${ofDriver}`, () => {
    let nodes: readonly TestDispatch[];
    /** Node of the caller, and node of the workers: another one, if there are several. */
    let near: TestDispatch;
    let far: TestDispatch;

    async function start(options?: SetUpOptions): Promise<void> {
      nodes = await setUp(options);
      const [first] = nodes;
      const last = nodes.at(-1);
      if (first === undefined || last === undefined) throw new Error("no node");
      near = first;
      far = last;
    }

    /** Waits until no node holds anything of any task. */
    async function expectNothingLeft(): Promise<void> {
      while (nodes.some(({ dispatch }) => dispatch.requested + dispatch.waiting + dispatch.working > 0)) {
        await new Promise(setImmediate);
      }
      expect(nodes.flatMap(({ errors }) => errors)).toEqual([]);
    }

    test("delivers a task to a worker with all its fields, and the answer to the caller", async () => {
      await start();
      const worker = await enter(far, ["chat"]);
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
      await expectNothingLeft();
    });

    test("reports nothing before the caller has the handle", async () => {
      await start();
      await enterEcho(near, ["a"]);
      const { ends, outcome } = startTask(near.dispatch, "a");
      const refused = startTask(near.dispatch, "nobody");
      expect([ends(), refused.ends()]).toEqual([0, 0]);
      await Promise.all([outcome, refused.outcome]);
    });

    test("delivers the parts of an answer in order", async () => {
      await start();
      const worker = await enter(far, ["a"]);
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
      await expectNothingLeft();
    });

    test("delivers payloads and answers of any size whole", async () => {
      await start();
      await enterEcho(far, ["a"]);
      for (const size of [0, 40_000, 60_000, 100_000, 3_000_000]) {
        const payload = Buffer.alloc(size, "abcdefghij");
        const { outcome } = startTask(near.dispatch, "a", { payload });
        const { parts } = await outcome;
        expect(parts.length).toBe(1);
        expect(parts[0] === payload.toString()).toBe(true);
      }
      const { outcome } = startTask(near.dispatch, "a", { payload: new Uint8Array((16 << 20) + 1) });
      expect(await outcome).toMatchObject({ code: "resource_exhausted" });
      await expectNothingLeft();
    });

    test("reports an answer that is too large as a failure of the worker", async () => {
      await start();
      const worker = await enter(far, ["a"]);
      const { outcome } = startTask(near.dispatch, "a");
      const { id } = await worker.assigned.next();
      worker.registration.answer(id, new Uint8Array((16 << 20) + 1), false);
      expect(await outcome).toMatchObject({ code: "resource_exhausted" });
      expect(await worker.cancelled.next()).toBe(id);
      await expectNothingLeft();
    });

    test("passes the failure that a worker reports to the caller", async () => {
      await start();
      const worker = await enter(far, ["a"]);
      const { outcome } = startTask(near.dispatch, "a");
      const { id } = await worker.assigned.next();
      worker.registration.fail(id, new CarillonError("not_found", "no such röom"));
      expect(await outcome).toEqual({ parts: [], code: "not_found", message: "no such röom" });
      await expectNothingLeft();
    });

    test("fails at once when there is no worker, and when the last has left", async () => {
      await start();
      expect(await startTask(near.dispatch, "a").outcome).toMatchObject({
        code: "unavailable",
        message: 'no worker handles event "a"',
      });
      const registration = await enterEcho(far, ["a"]);
      expect(await startTask(near.dispatch, "a").outcome).toEqual({ parts: ["a"] });
      registration.leave();
      expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
      await expectNothingLeft();
    });

    test("refuses invalid requests", async () => {
      await start();
      await enterEcho(far, ["*"]);
      for (const event of ["", "a b", "@a", "x".repeat(256)]) {
        expect(await startTask(near.dispatch, event).outcome).toMatchObject({ code: "invalid_argument" });
      }
      for (const deadline of [Date.now() - 1, Number.NaN]) {
        expect(await startTask(near.dispatch, "a", { deadline }).outcome).toMatchObject({ code: "deadline_exceeded" });
      }
      expect(await startTask(near.dispatch, "a", { deadline: Number.POSITIVE_INFINITY }).outcome).toEqual({
        parts: ["a"],
      });
      await expectNothingLeft();
    });

    test("refuses invalid workers", async () => {
      await start();
      const wrong: Parameters<typeof enter>[2][] = [
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
        await expect(enter(far, ["a"], hello)).rejects.toMatchObject({ code: "invalid_argument" });
      }
      expect(far.dispatch.workers).toBe(0);
      expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
    });

    test("gives a worker as many tasks as its capacity, and lets others wait in order", async () => {
      await start();
      const worker = await enter(far, ["a", "b"], { capacity: 2 });
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
      await expectNothingLeft();
    });

    test("X21: gives triggers, and no calls, to a worker that cannot answer", async () => {
      await start();
      const mute = await enter(far, ["*"], { answers: false, capacity: 100 });
      expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
      expect(await startTask(far.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
      const triggered = startTask(near.dispatch, "a", { wantsAnswer: false });
      const { event, id, wantsAnswer } = await mute.assigned.next();
      expect({ event, wantsAnswer }).toEqual({ event: "a", wantsAnswer: false });
      end(mute, id, "");
      expect(await triggered.outcome).toEqual({ parts: [""] });

      // For calls, the more specific pattern has no worker.
      const registration = await enterEcho(near, ["*"]);
      const specific = await enter(far, ["a"], { answers: false });
      expect(await startTask(far.dispatch, "a").outcome).toEqual({ parts: ["a"] });
      const another = startTask(near.dispatch, "a", { wantsAnswer: false });
      end(specific, (await specific.assigned.next()).id, "");
      expect(await another.outcome).toEqual({ parts: [""] });
      registration.leave();
      expect(await startTask(far.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
      expect(mute.assigned.unread).toEqual([]);
      await expectNothingLeft();
    });

    test("X21: fails waiting calls when the last worker that answers leaves", async () => {
      await start();
      const worker = await enter(far, ["a"]);
      const mute = await enter(far, ["a"], { answers: false });
      const first = startTask(near.dispatch, "a");
      await first.taken;
      const waiting = startTask(near.dispatch, "a");
      await waiting.taken;
      worker.registration.leave();
      expect(await first.outcome).toMatchObject({ code: "unavailable" });
      expect(await waiting.outcome).toMatchObject({ code: "unavailable" });
      expect(mute.assigned.unread).toEqual([]);
      await expectNothingLeft();
    });

    test("X21: rotates triggers among workers of both kinds", async () => {
      await start();
      const workers = [];
      for (const node of nodes) {
        workers.push(await enter(node, ["*"], { capacity: 1 }));
        workers.push(await enter(node, ["*"], { capacity: 1, answers: false }));
      }
      // A worker gets no task until it is welcomed.
      await new Promise(setImmediate);
      const requested = workers.map(() => startTask(near.dispatch, "a", { wantsAnswer: false }));
      for (const worker of workers) end(worker, (await worker.assigned.next()).id, "");
      for (const { outcome } of requested) expect(await outcome).toEqual({ parts: [""] });
      await expectNothingLeft();
    });

    test("X20: rotates triggers among the nodes and the workers of each, regardless of their free capacity", async () => {
      await start();
      const workers: TestWorker[] = [];
      for (const node of nodes) {
        workers.push(await enter(node, ["*"], { capacity: 100 }));
        workers.push(await enter(node, ["*"], { capacity: 10 }));
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
      await expectNothingLeft();
    });

    test("K5: reports once that a worker has a trigger, and not while it waits", async () => {
      await start();
      const worker = await enter(far, ["a"]);
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
      const other = await enter(far, ["a"], { capacity: 2 });
      worker.registration.leave();
      for (const _ of [waiting, call]) end(other, (await other.assigned.next()).id, "");
      for (const { outcome } of [waiting, call]) expect(await outcome).toEqual({ parts: [""] });
      expect([waiting.assignments(), call.assignments()]).toEqual([1, 0]);
      await expectNothingLeft();
    });

    test("X22: lists the workers of a vhost on all nodes", async () => {
      await start();
      expect(await near.dispatch.list("/")).toEqual({ workers: [], more: false, missing: [] });
      const answering = await enter(far, ["a", "b"], { name: "one", capacity: 5 });
      const mute = await enter(near, ["*"], { name: "two", answers: false });
      await enter(far, ["a"], { vhost: "/other" });
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
      mute.registration.leave();
      expect((await near.dispatch.list("/")).workers).toHaveLength(1);
      end(answering, id, "done");
      await outcome;
    });

    test("gives tasks to a free worker on any node", async () => {
      await start();
      const workers: TestWorker[] = [];
      for (const node of nodes) workers.push(await enter(node, ["a"]), await enter(node, ["a"]));
      const requested = workers.map(() => startTask(near.dispatch, "a"));
      // Each worker has one task: with a task waiting beside a free worker, one of these would have none.
      const tasks = await Promise.all(workers.map((worker) => worker.assigned.next()));
      for (const [position, worker] of workers.entries()) end(worker, tasks[position]?.id ?? "", "done");
      await Promise.all(requested.map(({ outcome }) => outcome));
      await expectNothingLeft();
    });

    test("gives the next task to the worker of a node with the most free capacity", async () => {
      await start();
      const large = await enter(far, ["a"], { capacity: 4 });
      const small = await enter(far, ["a"], { capacity: 2 });
      for (let number = 0; number < 4; number += 1) await startTask(near.dispatch, "a").taken;
      expect([large.assigned.unread.length, small.assigned.unread.length]).toEqual([3, 1]);
    });

    test("rotates among workers with equal free capacity", async () => {
      await start();
      const workers = [await enter(far, ["a"]), await enter(far, ["a"])];
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

    test("refuses a task at once when too many wait, and keeps the waiting ones", async () => {
      await start({ limits: { waiting: { count: 2, bytes: 1_000_000 } } });
      const worker = await enter(far, ["a"]);
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
      await expectNothingLeft();
    });

    test("refuses a task when too many bytes wait, by each vhost's own limits", async () => {
      await start({ limits: { waiting: { count: 10, bytes: 3_000 } } });
      await enter(far, ["a"]);
      await enter(far, ["a"], { vhost: "/other" });
      const payload = new Uint8Array(1_000);
      await startTask(near.dispatch, "a", { payload }).taken;
      await startTask(near.dispatch, "a", { payload }).taken;
      expect(await startTask(near.dispatch, "a", { payload }).outcome).toMatchObject({ code: "resource_exhausted" });
      await startTask(near.dispatch, "a", { payload, vhost: "/other" }).taken;
      await startTask(near.dispatch, "a", { payload, vhost: "/other" }).taken;
    });

    test("refuses a task at once when too many are pending at the calling node", async () => {
      await start({ limits: { requested: { count: 2, bytes: 1_000_000 } } });
      await enter(far, ["a"], { capacity: 10 });
      const requested = [startTask(near.dispatch, "a"), startTask(near.dispatch, "a")];
      expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "resource_exhausted" });
      requested[0]?.handle.cancel();
      await startTask(near.dispatch, "a").taken;
    });

    test("tells the worker of a cancelled task, ignores its answer, and frees it for others", async () => {
      await start();
      const worker = await enter(far, ["a"]);
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
      await expectNothingLeft();
    });

    test("leaves nothing of a task that is cancelled before it is sent, while it waits, or between parts", async () => {
      await start();
      const worker = await enter(far, ["a"]);
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
      await expectNothingLeft();
      expect(worker.assigned.unread).toEqual([]);
      expect([never.ends(), runs.ends(), waits.ends()]).toEqual([0, 0, 0]);
    });

    test("fails a task at its deadline, and cancels it at its worker", async () => {
      await start();
      const worker = await enter(far, ["a"]);
      const { outcome } = startTask(near.dispatch, "a", { deadline: Date.now() + 5_000 });
      const { id } = await worker.assigned.next();
      expect(await outcome).toMatchObject({ code: "deadline_exceeded" });
      expect(await worker.cancelled.next()).toBe(id);
      await expectNothingLeft();
    });

    test("reports that a trigger was taken, and ends it without a payload", async () => {
      await start();
      const worker = await enter(far, ["a"]);
      const { outcome, taken } = startTask(near.dispatch, "a", { wantsAnswer: false, topic: "room" });
      await taken;
      const { id, topic, wantsAnswer } = await worker.assigned.next();
      expect({ topic, wantsAnswer }).toEqual({ topic: "room", wantsAnswer: false });
      worker.registration.answer(id, bytes("part"), true);
      end(worker, id, "done");
      expect(await outcome).toEqual({ parts: [""] });
      await expectNothingLeft();
    });

    test("gives the tasks of a leaving worker to others, as the next attempt", async () => {
      await start();
      const first = await enter(far, ["a"], { capacity: 10 });
      const requested = [];
      for (let number = 0; number < 5; number += 1) {
        requested.push(startTask(near.dispatch, "a", { payload: bytes(String(number)) }));
      }
      const tasks = [];
      for (const _ of requested) tasks.push(await first.assigned.next());
      first.registration.acknowledge(tasks[0]?.id ?? "");
      const second = await enter(near, ["a"], { capacity: 10 });
      first.registration.leave();
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
      await expectNothingLeft();
    });

    test("fails a task after three lost workers, and tries no fourth", async () => {
      await start();
      const workers = [];
      for (let number = 0; number < 4; number += 1) workers.push(await enter(far, ["a"]));
      const { outcome } = startTask(near.dispatch, "a");
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        const had = await whoHas(workers);
        expect(had.assigned.unread).toMatchObject([{ attempt }]);
        had.registration.leave();
        workers.splice(workers.indexOf(had), 1);
      }
      expect(await outcome).toMatchObject({ code: "unavailable", message: expect.stringContaining("3 times") });
      await expectNothingLeft();
      expect(workers.flatMap(({ assigned }) => assigned.unread)).toEqual([]);
    });

    test("fails a task when no other worker is left after the first is lost", async () => {
      await start();
      const worker = await enter(far, ["a"]);
      const { outcome } = startTask(near.dispatch, "a");
      await worker.assigned.next();
      worker.registration.leave();
      expect(await outcome).toMatchObject({ code: "unavailable" });
      await expectNothingLeft();
    });

    test("fails a call when its worker is lost after a part of the answer, and does not retry", async () => {
      await start();
      const [first, second] = [await enter(far, ["a"]), await enter(near, ["b"])];
      const { outcome, parts } = startTask(near.dispatch, "a");
      const { id } = await first.assigned.next();
      first.registration.answer(id, bytes("1"), true);
      await parts.next();
      const other = await enter(far, ["a"]);
      first.registration.leave();
      expect(await outcome).toMatchObject({ parts: ["1"], code: "unavailable" });
      await expectNothingLeft();
      expect([...other.assigned.unread, ...second.assigned.unread]).toEqual([]);
    });

    test("moves or returns waiting tasks when their worker leaves or drains", async () => {
      await start();
      const worker = await enter(far, ["a"]);
      const runs = startTask(near.dispatch, "a");
      const { id } = await worker.assigned.next();
      const waits = startTask(near.dispatch, "a");
      await waits.taken;
      worker.registration.drain();
      expect(await waits.outcome).toMatchObject({ code: "unavailable" });
      expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
      end(worker, id, "done");
      expect(await runs.outcome).toEqual({ parts: ["done"] });
      await expectNothingLeft();
    });

    test("reassigns a task that is not acknowledged, and gives the silent worker none until it reports something", async () => {
      await start({ acknowledgeWithin: 300 });
      const silent = await enter(far, ["a"], { capacity: 10 });
      const { outcome } = startTask(near.dispatch, "a");
      const { id } = await silent.assigned.next();
      const other = await enter(far, ["a"]);
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
      await expectNothingLeft();
    });

    test("chooses the most specific pattern, wherever its workers are", async () => {
      await start();
      const patterns = ["re:chat/.*", "*", "chat/*", "chat/room-*", "chat/room-1", "orders.*.paid", "orders.>"];
      for (const [position, pattern] of patterns.entries()) {
        const node = nodes[position % nodes.length] ?? near;
        await enterEcho(node, [pattern], {}, () => pattern);
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
      await start();
      const registration = await enterEcho(far, ["a", "b"], {}, () => "specific");
      await enterEcho(near, ["*"], {}, () => "all");
      expect(await startTask(near.dispatch, "a").outcome).toEqual({ parts: ["specific"] });
      registration.drain();
      expect(await startTask(near.dispatch, "a").outcome).toEqual({ parts: ["all"] });
    });

    test("keeps vhosts apart", async () => {
      await start();
      await enterEcho(far, ["*"], { vhost: "/one" }, () => "one");
      await enterEcho(near, ["*"], { vhost: "/one/two" }, () => "two");
      expect(await startTask(near.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
      expect(await startTask(near.dispatch, "a", { vhost: "/one" }).outcome).toEqual({ parts: ["one"] });
      expect(await startTask(far.dispatch, "a", { vhost: "/one/two" }).outcome).toEqual({ parts: ["two"] });
    });

    test("continues when a worker's connection or a caller throws", async () => {
      await start();
      const registration = await far.dispatch.enter(
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
      registration.leave();
      expect(await lost.outcome).toMatchObject({ code: "unavailable" });
      await enterEcho(far, ["a"]);
      expect(await startTask(near.dispatch, "a").outcome).toEqual({ parts: ["a"] });
      expect(nodes.flatMap(({ errors }) => errors).length).toBe(2);
    });

    test("fails the calls of a stopping node, and returns the tasks of its workers", async () => {
      await start();
      const worker = await enter(far, ["a"], { capacity: 10 });
      const requested = Array.from({ length: 5 }, () => startTask(near.dispatch, "a"));
      for (const _ of requested) await worker.assigned.next();
      await far.stop();
      for (const { ends, outcome } of requested) {
        expect(await outcome).toMatchObject({ code: "unavailable" });
        expect(ends()).toBe(1);
      }
      await expect(enter(far, ["a"])).rejects.toMatchObject({ code: "unavailable" });
      expect(await startTask(far.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
      await expectNothingLeft();
    });

    test("lets the workers of a draining node finish their tasks", async () => {
      await start();
      const worker = await enter(far, ["a"], { capacity: 10 });
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

    test("ends every task exactly once while workers come and go", async () => {
      await start();
      const workers = new Set<TestWorker>();
      const addWorker = async (node: TestDispatch): Promise<void> => {
        const worker = await enter(node, ["a"], { capacity: 5 });
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
        oldest?.registration.leave();
        if (oldest !== undefined) workers.delete(oldest);
      }
      // Tasks that a worker still holds end when it leaves.
      const last = await enterEcho(far, ["a"], { capacity: 1_000 });
      for (const { registration } of workers) registration.leave();
      const outcomes = await Promise.all(requested.map(({ outcome }) => outcome));
      last.leave();
      const answered = outcomes.filter((outcome, position) => outcome.parts[0] === String(position)).length;
      const refused = outcomes.filter((outcome) => "code" in outcome && outcome.code === "unavailable").length;
      expect(answered + refused).toBe(requested.length);
      expect(requested.every(({ ends }) => ends() === 1)).toBe(true);
      expect(answered).toBeGreaterThan(requested.length / 2);
      await expectNothingLeft();
    });
  });
}
