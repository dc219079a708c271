import { ManualClock } from "../support/manual-clock.js";
import { type SharedBus, startSharedBus } from "../support/nodes/shared-bus.js";
import {
  type DispatchOptions,
  registerWorker,
  startDispatch,
  startLocalDispatch,
  startTask as startTaskAt,
  type TestDispatch,
  type TestTask,
  whoHas,
} from "./support.js";

const TICK = 250;
let clock: ManualClock;
let bus: SharedBus;

beforeEach(async () => {
  clock = new ManualClock();
  bus = await startSharedBus();
});

/** Resolves when all messages in flight have arrived. */
async function arrive(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

async function pass(milliseconds: number): Promise<void> {
  await arrive();
  for (let passed = 0; passed < milliseconds; passed += TICK) {
    clock.advance(TICK);
    await arrive();
  }
}

async function start(options: DispatchOptions = {}): Promise<TestDispatch> {
  const state = { started: false };
  const starting = startDispatch(bus, { clock, ...options }).finally(() => {
    state.started = true;
  });
  while (!state.started) {
    clock.advance(50);
    await new Promise(setImmediate);
  }
  return starting;
}

function startTask({ dispatch }: TestDispatch, event: string, milliseconds = 600_000): TestTask {
  return startTaskAt(dispatch, event, { deadline: clock.now() + milliseconds });
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

/** Whether a subject carries messages about tasks between nodes, other than offers to groups. */
function isWord(subject: string): boolean {
  return subject.startsWith("tasks.");
}

describe("a single node", () => {
  test("gives a task that is not acknowledged in 10 s to another worker, and leaves an acknowledged one alone", async () => {
    const node = await startLocalDispatch({ clock });
    const silent = await registerWorker(node, ["a"]);
    const { outcome } = startTask(node, "a");
    const { id } = await silent.assigned.next();
    const other = await registerWorker(node, ["a"]);
    await pass(9_750);
    expect(silent.cancelled.unread).toEqual([]);
    await pass(500);
    expect(silent.cancelled.unread).toEqual([id]);
    expect(other.assigned.unread).toMatchObject([{ id, attempt: 2 }]);
    other.registration.acknowledge(id);
    await pass(60_000);
    expect(other.cancelled.unread).toEqual([]);
    other.registration.answer(id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
    await pass(TICK);
    expect(clock.timers).toBe(0);
  });

  test("keeps deadlines when the wall clock is set", async () => {
    const node = await startLocalDispatch({ clock });
    const worker = await registerWorker(node, ["a"]);
    const [first, second] = [startTask(node, "a", 30_000), startTask(node, "a", 30_000)];
    const { deadline, id } = await worker.assigned.next();
    expect(deadline).toBe(clock.now() + 30_000);
    worker.registration.acknowledge(id);
    clock.set(3_600_000);
    await pass(1_000);
    worker.registration.answer(id, bytes("done"), false);
    expect(await first.outcome).toEqual({ parts: ["done"] });
    worker.registration.acknowledge((await worker.assigned.next()).id);
    clock.set(-7_200_000);
    await pass(30_000);
    expect(await second.outcome).toMatchObject({ code: "deadline_exceeded" });
  });

  test("fails a task that three workers in turn do not acknowledge", async () => {
    const node = await startLocalDispatch({ clock });
    const workers = [
      await registerWorker(node, ["a"]),
      await registerWorker(node, ["a"]),
      await registerWorker(node, ["a"]),
    ];
    const { outcome } = startTask(node, "a");
    await pass(31_000);
    expect(await outcome).toMatchObject({ code: "unavailable", message: expect.stringContaining("3 times") });
    expect(workers.map(({ assigned }) => assigned.unread.length)).toEqual([1, 1, 1]);
    // None of the workers has acknowledged anything since.
    const waits = startTask(node, "a", 5_000);
    await pass(TICK);
    await waits.taken;
    await pass(5_000);
    expect(await waits.outcome).toMatchObject({ code: "deadline_exceeded" });
    await pass(2_000);
    expect(clock.timers).toBe(0);
  });

  test("never gives a worker a task twice, even when it has free capacity", async () => {
    const node = await startLocalDispatch({ clock });
    const assigned: string[] = [];
    const late = await node.dispatch.registerWorker(
      { vhost: "/", events: ["a", "b"], capacity: 2, name: "" },
      {
        assign: ({ id }) => {
          assigned.push(id);
        },
        // The worker is alive after all.
        cancel: (id) => {
          late.acknowledge(id);
        },
      },
    );
    const alone = startTask(node, "b");
    const shared = startTask(node, "a");
    await arrive();
    const other = await registerWorker(node, ["a"]);
    const runs = startTask(node, "a");
    other.registration.acknowledge((await other.assigned.next()).id);
    await pass(10_500);
    expect(await alone.outcome).toMatchObject({ code: "unavailable", message: 'no other worker handles event "b"' });
    expect(node.dispatch.waiting).toBe(1);
    late.acknowledge("");
    expect(assigned).toEqual([alone.handle.taskId, shared.handle.taskId]);
    other.registration.answer(runs.handle.taskId, bytes("done"), false);
    expect((await other.assigned.next()).id).toBe(shared.handle.taskId);
  });

  test("leaves no timer behind when a task ends in any way", async () => {
    const node = await startLocalDispatch({ clock });
    const worker = await registerWorker(node, ["a"], { capacity: 10 });
    const answered = startTask(node, "a");
    const cancelled = startTask(node, "a");
    startTask(node, "nobody");
    startTask(node, "a").handle.cancel();
    const { id } = await worker.assigned.next();
    worker.registration.answer(id, bytes("done"), false);
    await answered.outcome;
    cancelled.handle.cancel();
    await pass(TICK);
    expect(clock.timers).toBe(0);
    expect([node.dispatch.requested, node.dispatch.working, node.dispatch.waiting]).toEqual([0, 0, 0]);
  });
});

describe("lost messages", () => {
  let near: TestDispatch;
  let far: TestDispatch;

  beforeEach(async () => {
    near = await start();
    far = await start();
  });

  /** Delivers the first part of a task's answer, and loses the second. */
  async function loseSecondPart(more: boolean) {
    const worker = await registerWorker(far, ["a"]);
    const { outcome, parts } = startTask(near, "a");
    const { id } = await worker.assigned.next();
    worker.registration.answer(id, bytes("0"), true);
    await parts.next();
    bus.loses = (subject) => subject === `tasks.${near.member.node}`;
    worker.registration.answer(id, bytes("1"), more);
    await arrive();
    bus.loses = () => false;
    return { id, outcome, worker };
  }

  test("repeats a lost offer after a second", async () => {
    const worker = await registerWorker(far, ["a"]);
    let lost = 0;
    bus.loses = (subject) => isWord(subject) && lost++ === 0;
    const { outcome } = startTask(near, "a");
    await pass(1_250);
    expect(worker.assigned.unread).toMatchObject([{ attempt: 2 }]);
    worker.registration.answer((await worker.assigned.next()).id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
  });

  test("fails a task after three lost offers", async () => {
    const worker = await registerWorker(far, ["a"]);
    bus.loses = isWord;
    const { outcome } = startTask(near, "a");
    await pass(4_000);
    expect(await outcome).toMatchObject({ code: "unavailable", message: expect.stringContaining("3 times") });
    expect(worker.assigned.unread).toEqual([]);
    expect(near.dispatch.requested).toBe(0);
  });

  test("offers a task to single nodes after an offer to a group was lost", async () => {
    const third = await start();
    const workers = [await registerWorker(far, ["a"]), await registerWorker(third, ["a"])];
    bus.loses = (subject) => subject.startsWith("work.");
    const { outcome } = startTask(near, "a");
    await pass(1_250);
    const has = workers.find(({ assigned }) => assigned.unread.length > 0);
    has?.registration.answer((await has.assigned.next()).id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
  });

  test("leaves a task with its worker when the report of taking it is lost and it is offered again", async () => {
    const first = await registerWorker(far, ["a"]);
    bus.loses = (subject) => subject === `tasks.${near.member.node}`;
    const { ends, outcome } = startTask(near, "a");
    const { id } = await first.assigned.next();
    const second = await registerWorker(far, ["a"]);
    await pass(1_250);
    bus.loses = () => false;
    first.registration.answer(id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
    await pass(3_000);
    expect(ends()).toBe(1);
    expect([...first.cancelled.unread, ...first.assigned.unread, ...second.assigned.unread]).toEqual([]);
  });

  test("cancels a task at the first node when its report is lost and another node takes the task", async () => {
    const third = await start();
    const workers = [await registerWorker(far, ["a"]), await registerWorker(third, ["a"])];
    await arrive();
    // The first offer goes to a node directly, as always for large tasks.
    bus.loses = (subject) => subject === `tasks.${near.member.node}`;
    const { outcome } = startTaskAt(near.dispatch, "a", { payload: new Uint8Array(100_000), deadline: 600_000 });
    await arrive();
    const first = workers.find(({ assigned }) => assigned.unread.length > 0);
    const { id } = (await first?.assigned.next()) ?? { id: "" };
    await pass(1_250);
    const second = workers.find(({ assigned }) => assigned.unread.length > 0);
    expect(second).not.toBe(first);
    expect(second?.assigned.unread).toMatchObject([{ attempt: 2, id }]);
    expect(first?.cancelled.unread).toEqual([id]);
    bus.loses = () => false;
    first?.registration.answer(id, bytes("stale"), false);
    second?.registration.answer(id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
    await arrive();
    expect([far.dispatch.working, third.dispatch.working]).toEqual([0, 0]);
  });

  test("ignores the answer of a worker whose cancellation was lost, and then cancels its task", async () => {
    const third = await start();
    const workers = [await registerWorker(far, ["a"]), await registerWorker(third, ["a"])];
    await arrive();
    bus.loses = (subject) => subject === `tasks.${near.member.node}`;
    const { ends, outcome } = startTask(near, "a");
    await arrive();
    const first = await whoHas(workers);
    const { id } = await first.assigned.next();
    await pass(TICK);
    const firstNode = (first === workers[0] ? far : third).member.node;
    bus.loses = (subject) => subject === `tasks.${firstNode}`;
    await pass(2_500);
    const second = await whoHas(workers);
    expect(second).not.toBe(first);
    bus.loses = () => false;
    first.registration.answer(id, bytes("stale"), true);
    await arrive();
    expect(ends()).toBe(0);
    expect(first.cancelled.unread).toEqual([id]);
    second.registration.answer(id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
  });

  test("checks a task whose answer was lost, and gives it to another worker", async () => {
    const first = await registerWorker(far, ["a"]);
    const { outcome, taken } = startTask(near, "a");
    const { id } = await first.assigned.next();
    await pass(TICK);
    await taken;
    bus.loses = (subject) => subject === `tasks.${near.member.node}`;
    first.registration.answer(id, bytes("never heard"), false);
    await arrive();
    bus.loses = () => false;
    await pass(2_500);
    const again = await first.assigned.next();
    expect(again).toMatchObject({ id, attempt: 2 });
    first.registration.answer(id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
  });

  test("fails a call when the part after a lost one arrives, and cancels it at its worker", async () => {
    const { id, outcome, worker } = await loseSecondPart(true);
    worker.registration.answer(id, bytes("2"), true);
    expect(await outcome).toMatchObject({ parts: ["0"], code: "unavailable" });
    await arrive();
    expect(worker.cancelled.unread).toEqual([id]);
    expect(far.dispatch.working).toBe(0);
  });

  test("fails a call with a lost part when it is checked", async () => {
    const { id, outcome, worker } = await loseSecondPart(true);
    await pass(2_500);
    expect(await outcome).toMatchObject({ parts: ["0"], code: "unavailable" });
    await arrive();
    expect(worker.cancelled.unread).toEqual([id]);
  });

  test("fails a call whose last part was lost when it is checked", async () => {
    const { outcome } = await loseSecondPart(false);
    await pass(2_500);
    expect(await outcome).toMatchObject({ parts: ["0"], code: "unavailable" });
  });

  test("cancels a task at its deadline when the cancellation was lost", async () => {
    const worker = await registerWorker(far, ["a"]);
    const { handle, taken } = startTask(near, "a", 5_000);
    const { id } = await worker.assigned.next();
    worker.registration.acknowledge(id);
    await pass(TICK);
    await taken;
    bus.loses = isWord;
    handle.cancel();
    await arrive();
    bus.loses = () => false;
    await pass(4_000);
    expect(worker.cancelled.unread).toEqual([]);
    await pass(2_500);
    expect(worker.cancelled.unread).toEqual([id]);
    expect(far.dispatch.working).toBe(0);
  });

  test("leaves a slow worker alone, however often its task is checked", async () => {
    const worker = await registerWorker(far, ["a"]);
    const { outcome } = startTask(near, "a");
    const { id } = await worker.assigned.next();
    worker.registration.acknowledge(id);
    await pass(60_000);
    worker.registration.answer(id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
  });

  test("notices a lost change of a node's workers by the next count", async () => {
    bus.loses = (subject) => subject === "all";
    const registering = registerWorker(far, ["a"]);
    await pass(2_000);
    const worker = await registering;
    expect(await startTask(near, "a").outcome).toMatchObject({ code: "unavailable" });
    bus.loses = () => false;
    await pass(2_500);
    const { outcome } = startTask(near, "a");
    worker.registration.answer((await worker.assigned.next()).id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });

    bus.loses = (subject) => subject === "all";
    worker.registration.drain();
    await arrive();
    bus.loses = () => false;
    // The node itself reports that it has no worker.
    expect(await startTask(near, "a").outcome).toMatchObject({ code: "unavailable" });
  });

  test("notices a lost change of a node's workers by the next change", async () => {
    bus.loses = (subject) => subject === "all";
    const registering = registerWorker(far, ["a"]);
    await pass(2_000);
    bus.loses = () => false;
    const worker = await registering;
    await registerWorker(far, ["b"]);
    await arrive();
    const { outcome } = startTask(near, "a");
    worker.registration.answer((await worker.assigned.next()).id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
  });

  test("fails a task at once when all workers have left without notice, as the bus and each node report it", async () => {
    const third = await start();
    const workers = [await registerWorker(far, ["a"]), await registerWorker(third, ["a"])];
    bus.loses = (subject) => subject === "all";
    for (const { registration } of workers) registration.drain();
    expect(await startTask(near, "a").outcome).toMatchObject({ code: "unavailable" });
  });

  test("fails a task at once when a node has left without notice, as the bus reports it", async () => {
    await registerWorker(far, ["a"]);
    bus.loses = (subject) => subject === "all";
    await far.stop();
    expect(near.member.nodes.size).toBe(2);
    expect(await startTask(near, "a").outcome).toMatchObject({ code: "unavailable" });
  });

  test("reports invalid bytes on the bus once, and continues", async () => {
    const worker = await registerWorker(far, ["a"]);
    const { node } = far.member;
    const head = Buffer.from([2, 1, 65]);
    const headers = ["{}", "[]", "[99]", "[0,1]", "[7,1]", "[7,[[1]]]", '[2,1,1,"maybe"]', "[3]", "[", '[5,1,1,"x"]'];
    for (const header of headers) {
      const lengths = Buffer.alloc(8);
      lengths.writeUInt32BE(header.length);
      bus.publish(`tasks.${node}`, Buffer.concat([head, lengths, Buffer.from(header)]));
    }
    for (const rubbish of ["", "\u0001", "\u0002", "\u0002\u0005ab", "\u0002\u0001a1234", "{}"]) {
      bus.publish(`tasks.${node}`, Buffer.from(rubbish));
    }
    bus.publish(`tasks.${node}`, Buffer.concat([head, Buffer.alloc(8, 255)]));
    await arrive();
    expect(far.errors).toEqual(["ignored an invalid message about tasks"]);
    const { outcome } = startTask(near, "a");
    worker.registration.answer((await worker.assigned.next()).id, bytes("done"), false);
    expect(await outcome).toEqual({ parts: ["done"] });
  });
});
