import fc from "fast-check";
import { ManualClock } from "../support/manual-clock.js";
import { type SharedBus, startSharedBus } from "../support/nodes/shared-bus.js";
import { createPresence, PLACE, type PresenceNode, someone, Watcher } from "./support.js";

const clock = new ManualClock();

/** Starts a node beside others that answer at once. */
async function startBeside(name: string, bus: SharedBus, own = clock): Promise<PresenceNode> {
  const made = createPresence(name, bus, own);
  const started = made.start();
  await turns();
  // The first node has no peer to answer it, and waits for the time-out.
  if (made.member.nodes.size === 1) own.advance(300);
  await started;
  return made;
}

/** Lets sent messages be delivered, answered and reported. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
}

async function pass(milliseconds: number, clocks: readonly ManualClock[] = [clock]): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 250) {
    for (const each of clocks) each.advance(250);
    await turns();
  }
}

function names(count: number, prefix = "c"): string[] {
  return Array.from({ length: count }, (_, number) => `${prefix}${String(number).padStart(5, "0")}`);
}

function idsIn({ presence }: PresenceNode): string[] {
  return presence.members(PLACE).map(({ connectionId }) => connectionId);
}

let bus: SharedBus;
let one: PresenceNode;
let two: PresenceNode;

beforeEach(async () => {
  bus = await startSharedBus();
  one = await startBeside("one", bus);
  two = await startBeside("two", bus);
});

test("has read all members when a new node has started", async () => {
  for (const id of names(1_200)) one.presence.enter(PLACE, someone(id, "ann"), false);
  for (const id of names(700, "d")) two.presence.enter(PLACE, someone(id, "bob"), false);
  const three = await startBeside("three", bus);
  expect([three.presence.count(PLACE), three.presence.users(PLACE)]).toEqual([1_900, 2]);
  expect(idsIn(three)).toEqual([...names(1_200), ...names(700, "d")]);
});

test("reports the right members when members change during a new node's first read", async () => {
  for (const id of names(2_000)) one.presence.enter(PLACE, someone(id), false);
  const three = createPresence("three", bus, clock);
  const watcher = new Watcher(three.presence);
  const started = three.start();
  for (let turn = 0; turn < 40; turn += 1) {
    one.presence.leave(PLACE, `c${String(turn * 50).padStart(5, "0")}`);
    one.presence.enter(PLACE, someone(`b${turn}`), false);
    await new Promise(setImmediate);
  }
  await started;
  await pass(250);
  expect(idsIn(three)).toEqual(idsIn(one));
  expect(watcher.here.map(({ connectionId }) => connectionId)).toEqual(idsIn(one));
  expect(watcher.faults).toEqual([]);
});

test("bounds a page by the members' information, and delivers all of them", async () => {
  const info = { text: "x".repeat(100_000) };
  for (const id of names(350)) one.presence.enter(PLACE, someone(id, "", info), false);
  const three = await startBeside("three", bus);
  expect(three.presence.members(PLACE)).toEqual(one.presence.members(PLACE));
});

test("reads the present user of a member that had another one before", async () => {
  for (const id of ["c1", "c2"]) one.presence.enter(PLACE, someone(id, "ann"), false);
  for (const id of ["c1", "c2"]) one.presence.enter(PLACE, someone(id, "bob"), false);
  one.presence.leave(PLACE, "c1");
  const three = await startBeside("three", bus);
  expect(three.presence.members(PLACE)).toEqual([someone("c2", "bob")]);
  one.presence.leave(PLACE, "c2");
  await turns();
  expect([two, three].map(({ presence }) => presence.count(PLACE))).toEqual([0, 0]);
});

test("notices lost messages within 1 s, and reports the difference once each", async () => {
  for (const id of names(300)) one.presence.enter(PLACE, someone(id), false);
  await turns();
  const watcher = new Watcher(two.presence);
  bus.muted = true;
  one.presence.leave(PLACE, "c00007");
  one.presence.leave(PLACE, "c00008");
  one.presence.enter(PLACE, someone("c00008"), false);
  one.presence.enter(PLACE, { ...someone("new"), joined: 7 }, false);
  await turns();
  bus.muted = false;
  expect(two.presence.count(PLACE)).toBe(300);
  await pass(1_000);
  expect(idsIn(two)).toEqual(idsIn(one));
  // c00008 left and returned unchanged, so no difference is reported.
  expect(watcher.told).toEqual([["-c00007", "+new"]]);
  expect(watcher.faults).toEqual([]);
});

test("reports a leave whose leave info was lost, without it", async () => {
  for (const id of names(2)) one.presence.enter(PLACE, someone(id, "", { of: id }), false);
  await turns();
  const watcher = new Watcher(two.presence);
  one.presence.leave(PLACE, "c00000", '{"why":"heard"}');
  await turns();
  bus.muted = true;
  one.presence.leave(PLACE, "c00001", '{"why":"lost"}');
  await turns();
  bus.muted = false;
  await pass(1_000);
  expect(watcher.left.map(({ info }) => info)).toEqual(['{"of":"c00000","why":"heard"}', '{"of":"c00001"}']);
  expect(watcher.faults).toEqual([]);
});

test("notices a gap before the next change at once", async () => {
  one.presence.enter(PLACE, someone("c1"), false);
  await turns();
  bus.muted = true;
  one.presence.enter(PLACE, someone("c2"), false);
  await turns();
  bus.muted = false;
  one.presence.enter(PLACE, someone("c3"), false);
  await turns();
  expect(idsIn(two)).toEqual(["c1", "c2", "c3"]);
});

test("reads a node after lost pages when it sends again", async () => {
  const watcher = new Watcher(two.presence);
  bus.muted = true;
  one.presence.enter(PLACE, someone("c1"), false);
  await turns();
  bus.muted = false;
  bus.loses = (subject) => subject === `node.${two.member.node}`;
  one.presence.enter(PLACE, someone("c2"), false);
  await pass(2_000);
  expect(two.presence.count(PLACE)).toBe(0);
  bus.loses = () => false;
  await pass(1_000);
  expect(idsIn(two)).toEqual(["c1", "c2"]);
  expect(watcher.told).toEqual([["+c1", "+c2"]]);
});

test("ends the wait of a new node for missing pages, and reads them later", async () => {
  one.presence.enter(PLACE, someone("c1"), false);
  const three = createPresence("three", bus, clock);
  bus.loses = (_, data) => Buffer.from(data).includes('"items"');
  let started = false;
  const starting = three.start().then(() => {
    started = true;
  });
  await pass(1_500);
  expect(three.member.nodes.size).toBe(3);
  expect(started).toBe(false);
  await pass(1_500);
  await starting;
  expect(three.presence.count(PLACE)).toBe(0);
  bus.loses = () => false;
  await pass(3_000);
  expect(idsIn(three)).toEqual(["c1"]);
});

test("removes the members of a stopping node at once, and ignores its later changes", async () => {
  for (const id of names(3)) two.presence.enter(PLACE, someone(id), false);
  one.presence.enter(PLACE, someone("stays"), false);
  await turns();
  const watcher = new Watcher(one.presence);
  two.presence.leave(PLACE, "c00001");
  two.presence.stop();
  await two.member.stop(1_000);
  two.presence.leave(PLACE, "c00002");
  two.presence.enter(PLACE, someone("late"), false);
  await pass(2_000);
  expect(idsIn(one)).toEqual(["stays"]);
  for (const id of names(3)) expect(watcher.toldOf(id)).toEqual([`-${id}`]);
  expect([...one.member.nodes]).toEqual([one.member.node]);
});

test("removes the members of a silent node within 4 s, and adds them once each when it sends again", async () => {
  const own = new ManualClock();
  const silent = await startBeside("silent", bus, own);
  for (const id of names(600)) silent.presence.enter(PLACE, someone(id), false);
  one.presence.enter(PLACE, someone("stays"), false);
  await turns();
  const watchers = [one, two].map(({ presence }) => new Watcher(presence));
  expect(one.presence.count(PLACE)).toBe(601);

  await pass(3_500);
  expect(one.presence.count(PLACE)).toBe(601);
  await pass(250);
  for (const { presence } of [one, two]) expect(presence.count(PLACE)).toBe(1);
  await pass(1_000, [own]);
  for (const { presence } of [one, two]) expect(presence.count(PLACE)).toBe(601);
  await pass(500, [clock, own]);
  for (const watcher of watchers) {
    expect(watcher.faults).toEqual([]);
    for (const id of names(600)) expect(watcher.toldOf(id)).toEqual([`-${id}`, `+${id}`]);
    expect(watcher.told).toHaveLength(2);
  }
  // The silent node has not removed any member.
  expect(silent.presence.count(PLACE)).toBe(601);
});

test("keeps own members on nodes that lose each other, and agrees when they reconnect", async () => {
  for (const id of names(200, "a")) one.presence.enter(PLACE, someone(id), false);
  for (const id of names(200, "b")) two.presence.enter(PLACE, someone(id), false);
  await turns();
  const watchers = [one, two].map(({ presence }) => new Watcher(presence));
  bus.muted = true;
  await pass(4_000);
  expect([one, two].map((node) => idsIn(node).length)).toEqual([200, 200]);
  one.presence.leave(PLACE, "a00000");
  one.presence.enter(PLACE, someone("a new"), false);
  two.presence.leave(PLACE, "b00000");
  bus.muted = false;
  await pass(1_500);
  const expected = ["a new", ...names(200, "a").slice(1), ...names(200, "b").slice(1)].toSorted();
  for (const node of [one, two]) expect(idsIn(node)).toEqual(expected);
  for (const { faults } of watchers) expect(faults).toEqual([]);
});

function byKey([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1;
}

const steps = fc.array(
  fc.record({
    node: fc.nat(2),
    choice: fc.nat(30),
    enters: fc.boolean(),
    hidden: fc.constantFrom(false, false, false, true),
    user: fc.constantFrom("", "ann", "bob"),
    topic: fc.constantFrom("room", "hall"),
    after: fc.constantFrom("nothing", "nothing", "a turn", "silence", "words", "time", "much time"),
  }),
  { minLength: 1, maxLength: 60 },
);

test("agrees on all nodes after any losses, and reports changes that add up to the result", async () => {
  const three = await startBeside("three", bus);
  const nodes = [one, two, three];
  const places = ["room", "hall"].map((topic) => ({ ...PLACE, topic }));
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const truth = new Map<string, string>();
      const watchers = nodes.flatMap(({ presence }) =>
        places.map((place) => ({ place, watcher: new Watcher(presence, place) })),
      );
      for (const { choice, enters, hidden, node, after, topic, user } of all) {
        const place = { ...PLACE, topic };
        // Each connection belongs to one node.
        const id = `${node}-${choice}`;
        if (enters) nodes[node]?.presence.enter(place, someone(id, user), hidden);
        else nodes[node]?.presence.leave(place, id);
        if (enters && !hidden) truth.set(`${topic} ${id}`, user);
        else truth.delete(`${topic} ${id}`);
        if (after === "silence") bus.muted = true;
        else if (after === "words") bus.muted = false;
        else if (after === "time") await pass(250);
        else if (after === "much time") await pass(4_250);
        else if (after === "a turn") await new Promise(setImmediate);
      }
      bus.muted = false;
      await pass(2_500);
      for (const { presence } of nodes) {
        for (const place of places) {
          const members = presence
            .members(place)
            .map(({ connectionId, user }) => [`${place.topic} ${connectionId}`, user]);
          const expected = [...truth].filter(([key]) => key.startsWith(place.topic)).toSorted(byKey);
          expect(members).toEqual(expected);
          expect(presence.count(place)).toBe(expected.length);
          const users = expected.map(([key, user]) => (user === "" ? key : `user ${user}`));
          expect(presence.users(place)).toBe(new Set(users).size);
        }
      }
      for (const { place, watcher } of watchers) {
        expect(watcher.faults).toEqual([]);
        expect(watcher.here).toEqual(one.presence.members(place));
        watcher.end();
      }
      for (const key of truth.keys()) {
        const [topic = "", id = ""] = key.split(" ");
        nodes[Number(id[0])]?.presence.leave({ ...PLACE, topic }, id);
      }
      await turns();
    }),
    { numRuns: 40 },
  );
});
