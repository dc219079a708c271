import { LocalBus } from "../../src/cluster/local-bus.js";
import { CarillonError } from "../../src/errors.js";
import { ManualClock } from "../support/manual-clock.js";
import { type SharedBus, startSharedBus } from "../support/nodes/shared-bus.js";
import { createMember, namesIn, startMember, type TestMember } from "./support.js";

const clock = new ManualClock();

/** Starts a node beside others that answer at once. */
async function startBeside(name: string, bus: SharedBus, own = clock): Promise<TestMember> {
  const made = createMember(name, bus, own);
  const started = made.member.start();
  // The first node gets no answers, so its wait must time out.
  if (made.member.nodes.size === 1) await new Promise(setImmediate);
  if (made.member.nodes.size === 1) own.advance(300);
  await started;
  return made;
}

function say(bus: SharedBus, text: string): void {
  bus.publish("all", Buffer.from(text));
}

describe("a single node", () => {
  test("starts and answers itself without waiting", async () => {
    const own = new ManualClock();
    const bus = new LocalBus(() => {});
    await bus.start();
    const { member, notes } = await startMember("one", bus, own);

    const { answers, missing } = await member.ask("name", null);
    expect([...answers]).toEqual([[member.node, "one"]]);
    expect(missing).toEqual([]);
    member.tell("note", { a: 1 });
    expect(await notes.next()).toEqual([member.node, { a: 1 }]);
    expect([...member.nodes]).toEqual([member.node]);
    await member.stop(1_000);
    expect(own.timers).toBe(0);
  });

  test("throws the error of its handler", async () => {
    const bus = new LocalBus(() => {});
    await bus.start();
    const { member } = await startMember("one", bus);
    member.handle("refuse", () => {
      throw new CarillonError("not_found", "no such thing");
    });
    member.handle("break", async () => {
      throw new TypeError("a secret of ours");
    });
    await expect(member.ask("refuse", null)).rejects.toMatchObject({ code: "not_found", message: "no such thing" });
    await expect(member.ask("break", null)).rejects.toMatchObject({ code: "internal", message: "internal error" });
    await expect(member.ask("unknown", null)).rejects.toMatchObject({ code: "unimplemented" });
  });

  test("rejects a second handler of a kind", async () => {
    const { member } = createMember("one", new LocalBus(() => {}));
    expect(() => {
      member.handle("name", () => null);
    }).toThrow("duplicate handler for name");
  });

  test("reports itself as missing when its handler does not answer within 2 s", async () => {
    const own = new ManualClock();
    const bus = new LocalBus(() => {});
    await bus.start();
    const { member } = await startMember("one", bus, own);
    member.handle("wait", () => new Promise(() => {}));
    const outcome = member.ask("wait", null);
    own.advance(2_000);
    expect(await outcome).toEqual({ answers: new Map(), missing: [member.node] });
    expect(own.timers).toBe(0);
  });
});

describe("several nodes", () => {
  let bus: SharedBus;
  let one: TestMember;
  let two: TestMember;
  let three: TestMember;

  beforeEach(async () => {
    bus = await startSharedBus();
    one = await startBeside("one", bus);
    two = await startBeside("two", bus);
    three = await startBeside("three", bus);
  });

  test("know each other when the last one has started, and report each once", () => {
    const all = [one, two, three].map(({ member }) => member.node).toSorted();
    for (const { member } of [one, two, three]) expect([...member.nodes].toSorted()).toEqual(all);
    expect(one.changes.unread).toEqual([`+${two.member.node}`, `+${three.member.node}`]);
    expect(three.changes.unread.toSorted()).toEqual([`+${one.member.node}`, `+${two.member.node}`]);
  });

  test("all receive a request with its body and sender", async () => {
    for (const { member } of [one, two, three]) member.handle("echo-from", (body, from) => [body, from]);
    const { answers, missing } = await two.member.ask("echo-from", { text: "häl\u0001lo" });
    expect(missing).toEqual([]);
    expect([...answers.keys()].toSorted()).toEqual([...two.member.nodes].toSorted());
    for (const answer of answers.values()) expect(answer).toEqual([{ text: "häl\u0001lo" }, two.member.node]);
  });

  test("lists a node as missing at once when it has no handler of the kind, as another version may have none", async () => {
    for (const { member } of [one, two]) member.handle("newer", () => "known");
    const { answers, missing } = await one.member.ask("newer", null);
    expect([...answers.keys()].toSorted()).toEqual([one.member.node, two.member.node].toSorted());
    expect(missing).toEqual([three.member.node]);
  });

  test("all receive messages, in order", async () => {
    for (let number = 0; number < 50; number += 1) two.member.tell("note", number);
    for (const { notes } of [one, two, three]) {
      for (let number = 0; number < 50; number += 1) expect(await notes.next()).toEqual([two.member.node, number]);
    }
  });

  test("throw the refusal of any node, with its code and message", async () => {
    one.member.handle("open", () => null);
    two.member.handle("open", () => null);
    three.member.handle("open", async () => {
      throw new CarillonError("already_exists", "channel a is open");
    });
    await expect(one.member.ask("open", null)).rejects.toMatchObject({
      code: "already_exists",
      message: "channel a is open",
    });
  });

  test("remove a stopped node at once, and do not wait for it", async () => {
    three.member.handle("wait", () => new Promise(() => {}));
    one.member.handle("wait", () => 1);
    two.member.handle("wait", () => 2);
    const outcome = one.member.ask("wait", null);
    await new Promise(setImmediate);
    await three.member.stop(1_000);
    const { answers, missing } = await outcome;
    expect(namesIn(answers)).toEqual([1, 2]);
    expect(missing).toEqual([three.member.node]);
    expect(one.changes.unread.at(-1)).toBe(`-${three.member.node}`);
    expect([...two.member.nodes]).toHaveLength(2);
  });

  test("do not add a stopped node again, because it sends nothing", async () => {
    await three.member.stop(1_000);
    three.member.tell("note", "too late");
    void three.member.ask("name", null);
    await new Promise(setImmediate);
    expect(one.member.nodes.has(three.member.node)).toBe(false);
    expect(one.notes.unread).toEqual([]);
    clock.advance(2_000);
  });

  test("report a node as missing when it does not answer within 2 s", async () => {
    one.member.handle("wait", () => 1);
    two.member.handle("wait", () => 2);
    three.member.handle("wait", () => new Promise(() => {}));
    const outcome = one.member.ask("wait", null);
    await new Promise(setImmediate);
    clock.advance(1_999);
    let over = false;
    void outcome.then(() => {
      over = true;
    });
    await new Promise(setImmediate);
    expect(over).toBe(false);
    clock.advance(1);
    expect(await outcome).toMatchObject({ missing: [three.member.node] });
  });

  test("receive complete answers of up to 32 MiB, and a refusal of larger ones", async () => {
    const large = "ü".repeat(3_000_000);
    const { answers } = await one.member.ask("echo", large);
    expect([...answers.values()]).toEqual([large, large, large]);

    three.member.handle("much", () => "x".repeat(33 << 20));
    one.member.handle("much", () => null);
    two.member.handle("much", () => null);
    await expect(one.member.ask("much", null)).rejects.toMatchObject({ code: "resource_exhausted" });
    await expect(one.member.ask("echo", "x".repeat(33 << 20))).rejects.toMatchObject({ code: "resource_exhausted" });
    one.member.tell("note", "x".repeat(33 << 20));
    expect(one.errors.at(-1)).toMatch(/sending \w+ to all nodes failed/);
  });

  test("remove a silent node after 3.5 s to 4 s, and keep one that sends heartbeats", async () => {
    const own = new ManualClock();
    const silent = await startBeside("silent", bus, own);
    await new Promise(setImmediate);
    expect(one.member.nodes.has(silent.member.node)).toBe(true);
    for (let passed = 0; passed < 3_500; passed += 250) {
      expect(one.member.nodes.has(silent.member.node)).toBe(true);
      clock.advance(250);
      await new Promise(setImmediate);
    }
    expect(one.member.nodes.has(silent.member.node)).toBe(true);
    clock.advance(250);
    expect(one.member.nodes.has(silent.member.node)).toBe(false);
    expect([...one.member.nodes]).toHaveLength(3);
    expect(one.changes.unread.filter((change) => change.endsWith(silent.member.node))).toEqual([
      `+${silent.member.node}`,
      `-${silent.member.node}`,
    ]);

    // The silent node's clock advances: after one heartbeat all know each other again.
    own.advance(1_000);
    await new Promise(setImmediate);
    expect(one.member.nodes.has(silent.member.node)).toBe(true);
    expect(silent.member.nodes.size).toBe(4);
  });

  test.each([
    "",
    "no JSON",
    "null",
    "1",
    "[]",
    "{}",
    '{"type":"here"}',
    '{"type":"here","from":"x"}',
    '{"type":"here","from":"a b","greet":true,"nodes":[]}',
    '{"type":"here","from":"x","greet":true,"nodes":[1]}',
    '{"type":"ask","from":"x","id":"1","kind":"name","body":1}',
    '{"type":"ask","from":"x","id":1,"kind":"name"}',
    '{"type":"refusal","from":"x","id":1,"code":"toString","message":""}',
    '{"type":"constructor","from":"x"}',
    '{"type":"__proto__","from":"x"}',
    "\u0001",
    "\u0001\n",
    "\u0001x 1 0\n",
    "\u0001x 1 0 2\n{",
    "\u0001x 1 1 2\n{",
    "\u0001a b c d\n",
    "\u00011 1 1 1",
  ])("ignore an invalid message on the bus: %j", async (text) => {
    const before = [...one.member.nodes];
    for (const subject of ["all", `node.${one.member.node}`]) bus.publish(subject, Buffer.from(text));
    const { answers } = await one.member.ask("name", null);
    expect(namesIn(answers)).toEqual(["one", "three", "two"]);
    expect([...one.member.nodes]).toEqual(before);
  });

  test("find each other again with the first message of either", async () => {
    const own = new ManualClock();
    const four = await startBeside("four", bus, own);
    await new Promise(setImmediate);
    bus.muted = true;
    for (const each of [clock, own]) each.advance(4_000);
    expect([one, four].map(({ member }) => member.nodes.size)).toEqual([1, 1]);

    bus.muted = false;
    own.advance(1_000);
    await new Promise(setImmediate);
    expect(four.member.nodes.size).toBe(4);
    expect(one.member.nodes.has(four.member.node)).toBe(true);
  });

  test("drop a message with mismatched fragments, and receive later ones", async () => {
    const { node } = two.member;
    const ask = JSON.stringify({ type: "tell", from: node, kind: "note", body: "in parts" });
    const [first, second] = [ask.slice(0, 20), ask.slice(20)];
    say(bus, `\u0001${node} 1 1 2\n${second}`);
    say(bus, `\u0001${node} 2 0 3\n${first}`);
    say(bus, `\u0001${node} 2 2 3\n${second}`);
    say(bus, `\u0001${node} 2 2 3\n`);
    say(bus, `\u0001${node} 3 0 2\n${first}`);
    say(bus, `\u0001${node} 4 1 2\n${second}`);
    say(bus, `\u0001${node} 5 0 2\n${first}`);
    say(bus, `\u0001${node} 5 1 2\n${second}`);
    expect(await one.notes.next()).toEqual([node, "in parts"]);
    two.member.tell("note", "after");
    expect(await one.notes.next()).toEqual([node, "after"]);
    expect(one.notes.unread).toEqual([]);
  });

  test("continue for other listeners when one throws, and report the error", async () => {
    one.member.onNodes(() => {
      throw new Error("a fault of the listener");
    });
    const four = await startBeside("four", bus);
    expect(one.member.nodes.has(four.member.node)).toBe(true);
    expect(one.errors.at(-1)).toMatch(/a fault of the listener/);
  });
});
