import type { MessageShape } from "@bufbuild/protobuf";
import { PresenceService, type WatchPresenceResponseSchema } from "../../../gen/carillon/v1/presence_pb.js";
import { ClusterNode } from "../../../src/cluster/cluster-node.js";
import { LocalBus } from "../../../src/cluster/local-bus.js";
import { CarillonError } from "../../../src/errors.js";
import { ClusterPresence } from "../../../src/presence/cluster-presence.js";
import type { TopicAddress } from "../../../src/presence/presence.js";
import { PRESENCE_ACTIONS, PresenceImplementation } from "../../../src/rpc/services/presence.js";
import { PresenceWatch } from "../../../src/rpc/services/presence-watch.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { STATUS } from "../../support/backends/backend.js";
import { callersOf, startMounts, statusOf, type TestCaller } from "../../support/backends/mounts.js";
import { cleanUp } from "../../support/clean-up.js";
import { bearer, everybody, TestKeys } from "../support/keys.js";

const UNAVAILABLE = 14;

const { getPresence, watchPresence } = PresenceService.method;

const ROOM: TopicAddress = { vhost: "/", broker: "memory", topic: "room" };

function onError(message: string): never {
  throw new Error(message);
}

async function start(directory = everybody()) {
  const bus = new LocalBus(onError);
  await bus.start();
  const cluster = new ClusterNode({ node: "n", bus, clock: systemClock, onError });
  const presence = new ClusterPresence({ cluster, clock: systemClock, endOfTurn: setImmediate, onError });
  cleanUp(() => cluster.stop(1_000));
  cleanUp(() => presence.stop());
  await cluster.start();
  await presence.start();
  const implementation = new PresenceImplementation({
    presence,
    brokers: {
      resolve: (_vhost, name) => {
        if (name === "" || name === "memory") return { name: "memory", driver: undefined as never };
        throw new CarillonError("not_found", `unknown broker ${JSON.stringify(name)}; known: memory`);
      },
    },
    hasPresence: (_vhost, topic) => topic !== "quiet",
  });
  const mounts = await startMounts({
    directory,
    services: [{ service: PresenceService, implementation, actions: PRESENCE_ACTIONS }],
  });
  return { ...mounts, presence, implementation };
}

function enter(presence: ClusterPresence, connectionId: string, user = "", hidden = false, place = ROOM): void {
  presence.enter(
    place,
    { connectionId, user, info: JSON.stringify({ of: connectionId }), joined: 1_700_000_000_123 },
    hidden,
  );
}

type WatchAnswer = MessageShape<typeof WatchPresenceResponseSchema>;

function open(caller: TestCaller, request: object = { topic: "room" }, headers = {}): AsyncGenerator<WatchAnswer> {
  return caller.open(watchPresence, request, headers) as AsyncGenerator<WatchAnswer>;
}

async function next(stream: AsyncGenerator<WatchAnswer>) {
  const { value } = (await stream.next()) as { value: WatchAnswer };
  const { caughtUp, count, joined, left } = value;
  return { joined: joined.map(({ connectionId }) => connectionId), left, count: Number(count), caughtUp };
}

test("K7: lists members ordered by connection, in pages with total counts, without hidden ones", async () => {
  const node = await start();
  for (let n = 0; n < 2_500; n += 1) enter(node.presence, `c${String(n).padStart(4, "0")}`, n % 2 === 0 ? "ann" : "");
  enter(node.presence, "hidden", "bob", true);
  for (const caller of callersOf(node)) {
    const seen: string[] = [];
    const sizes: number[] = [];
    let pageToken = "";
    do {
      const { answer, status } = await caller.call(getPresence, { topic: "room", pageToken });
      expect([status, answer.count, answer.users]).toEqual([STATUS.ok, 2_500n, 1_251n]);
      sizes.push(answer.members.length);
      seen.push(...answer.members.map(({ connectionId }) => connectionId));
      pageToken = answer.nextPageToken;
    } while (pageToken !== "");
    expect(sizes).toEqual([1_000, 1_000, 500]);
    expect(seen).toEqual(seen.toSorted());
    expect(new Set(seen).size).toBe(2_500);
    const { answer } = await caller.call(getPresence, { topic: "room", pageSize: 1 });
    expect(answer.members).toMatchObject([
      {
        connectionId: "c0000",
        user: "ann",
        info: { of: "c0000" },
        joined: { seconds: 1_700_000_000n, nanos: 123_000_000 },
      },
    ]);
  }
});

test("K7: neither repeats nor skips members when others join and leave between pages", async () => {
  const { presence, ...node } = await start();
  for (const id of ["b", "d", "f"]) enter(presence, id);
  const [caller] = callersOf(node);
  const first = await caller?.call(getPresence, { topic: "room", pageSize: 2 });
  enter(presence, "a");
  presence.leave(ROOM, "b");
  enter(presence, "e");
  const second = await caller?.call(getPresence, {
    topic: "room",
    pageSize: 2,
    pageToken: first?.answer.nextPageToken ?? "",
  });
  expect(second?.answer.members.map(({ connectionId }) => connectionId)).toEqual(["e", "f"]);
  expect(second?.answer.nextPageToken).toBe("");
});

test("K7, O6: shortens pages and watch answers for members with large info", async () => {
  const { presence, ...node } = await start();
  const info = JSON.stringify({ text: "x".repeat(8_000) });
  for (let n = 0; n < 700; n += 1) {
    presence.enter(ROOM, { connectionId: `c${n}`, user: "", info, joined: 0 }, false);
  }
  for (const caller of callersOf(node)) {
    let pages = 0;
    let members = 0;
    let pageToken = "";
    do {
      const { answer } = await caller.call(getPresence, { topic: "room", pageToken });
      pages += 1;
      members += answer.members.length;
      pageToken = answer.nextPageToken;
    } while (pageToken !== "");
    expect([caller.name, members, pages > 5]).toEqual([caller.name, 700, true]);
    const stream = open(caller);
    for (;;) {
      const { caughtUp, joined } = await next(stream);
      members -= joined.length;
      if (caughtUp) break;
    }
    expect(members).toBe(0);
    await stream.return(undefined);
  }
});

test("K7, O8: refuses invalid requests alike by every protocol", async () => {
  const node = await start();
  const noPresence = 'topic: "quiet" has no presence by its rule';
  const ends = [
    [{}, STATUS.invalidArgument, "topic is empty"],
    [{ topic: "$user.ann" }, STATUS.invalidArgument, "topic begins with a reserved character (@, # or $)"],
    [{ topic: "room", broker: "x" }, STATUS.notFound, 'unknown broker "x"; known: memory'],
    [{ topic: "quiet" }, STATUS.failedPrecondition, noPresence],
  ] as const;
  for (const caller of callersOf(node)) {
    for (const [request, status, message] of ends) {
      const { message: text, status: actual } = await caller.call(getPresence, request);
      expect([caller.name, actual, text]).toEqual([caller.name, status, message]);
      const cause = await open(caller, request)
        .next()
        .catch((error: unknown) => error);
      expect([caller.name, statusOf(cause)]).toEqual([caller.name, { status, message }]);
    }
    const large = await caller.call(getPresence, { topic: "room", pageSize: 1_001 });
    expect(large).toMatchObject({
      status: STATUS.invalidArgument,
      message: "page_size: expected at most 1000, got 1001",
    });
    const token = await caller.call(getPresence, { topic: "room", pageToken: "?" });
    expect(token.status).toBe(STATUS.invalidArgument);
  }
  expect(node.faults).toEqual([]);
});

function askAs(caller: TestCaller, name: string, topic = "room") {
  return caller.call(getPresence, { topic }, bearer(name));
}

test("K7: limits a key to its own topics in its own vhost", async () => {
  const keys = new TestKeys({
    scoped: { actions: ["presence"], topics: ["room"] },
    there: { actions: ["presence"], vhost: "/there" },
    other: { actions: ["publish"] },
  });
  const node = await start(keys.keyring);
  enter(node.presence, "c1");
  for (const caller of callersOf(node)) {
    expect((await askAs(caller, "scoped")).answer.count).toBe(1n);
    expect((await askAs(caller, "there")).answer.count).toBe(0n);
    expect((await askAs(caller, "scoped", "other")).status).toBe(STATUS.permissionDenied);
    expect((await askAs(caller, "other")).status).toBe(STATUS.permissionDenied);
    const stream = open(caller, { topic: "room" }, bearer("scoped"));
    expect((await next(stream)).joined).toEqual(["c1"]);
    keys.keep("there", "other");
    expect(statusOf(await stream.next().catch((error: unknown) => error)).status).toBe(STATUS.unauthenticated);
    keys.keep("scoped", "there", "other");
  }
});

test("K7: watches the present members, then each join and leave once", async () => {
  const { presence, ...node } = await start();
  enter(presence, "b", "bob");
  enter(presence, "a", "ann");
  enter(presence, "hidden", "eve", true);
  for (const caller of callersOf(node)) {
    const stream = open(caller);
    expect(await next(stream)).toEqual({ joined: ["a", "b"], left: [], count: 2, caughtUp: true });
    enter(presence, "c", "cid");
    expect(await next(stream)).toEqual({ joined: ["c"], left: [], count: 3, caughtUp: true });
    enter(presence, "c", "dan");
    expect(await next(stream)).toEqual({ joined: ["c"], left: ["c"], count: 3, caughtUp: true });
    presence.leave(ROOM, "c");
    expect(await next(stream)).toEqual({ joined: [], left: ["c"], count: 2, caughtUp: true });
    await stream.return(undefined);
  }
});

test("K7: catches up at once on a watch of an empty topic", async () => {
  const node = await start();
  for (const caller of callersOf(node)) {
    expect(await next(open(caller))).toEqual({ joined: [], left: [], count: 0, caughtUp: true });
  }
});

test("K7: reports 3,000 members that join and leave at once in answers of 1,000", async () => {
  const { presence, ...node } = await start();
  const [caller] = callersOf(node);
  if (caller === undefined) throw new Error("no caller");
  const stream = open(caller);
  await next(stream);
  for (let n = 0; n < 3_000; n += 1) enter(presence, `c${n}`);
  const come: string[] = [];
  while (come.length < 3_000) {
    const { count, joined } = await next(stream);
    expect([joined.length <= 1_000, count]).toEqual([true, 3_000]);
    come.push(...joined);
  }
  expect(new Set(come).size).toBe(3_000);
  for (let n = 0; n < 3_000; n += 1) presence.leave(ROOM, `c${n}`);
  const gone: string[] = [];
  while (gone.length < 3_000) {
    const { count, left } = await next(stream);
    expect([left.length <= 1_000, count]).toEqual([true, 0]);
    gone.push(...left);
  }
  expect(new Set(gone).size).toBe(3_000);
});

test("K7: ends watches and refuses new ones when the node stops", async () => {
  const { implementation, ...node } = await start();
  const callers = callersOf(node);
  const streams = callers.map((caller) => open(caller));
  for (const stream of streams) await next(stream);
  implementation.stop();
  for (const stream of [...streams, ...callers.map((caller) => open(caller))]) {
    const cause = await stream.next().catch((error: unknown) => error);
    expect(statusOf(cause)).toEqual({ status: UNAVAILABLE, message: "this node is stopping" });
  }
});

function member(connectionId: string, user = "") {
  return { connectionId, user, info: "{}", joined: 1 };
}

describe("K7, O6: merges the pending changes of a slow watcher", () => {
  test("omits members that joined and left, and reports a member with another user as left and joined", async () => {
    const watch = new PresenceWatch();
    watch.push({ joined: [member("a"), member("b")], left: [member("x")], count: 2 });
    watch.push({ joined: [member("c")], left: [member("a")], count: 2 });
    watch.push({ joined: [member("x", "other")], left: [], count: 3 });
    expect(await watch.next()).toEqual({
      joined: [member("x", "other"), member("b"), member("c")],
      left: [member("x")],
      count: 3,
    });
  });

  test("sends nothing for changes that cancel out", async () => {
    const watch = new PresenceWatch();
    watch.push({ joined: [member("a")], left: [], count: 1 });
    watch.push({ joined: [], left: [member("a")], count: 0 });
    const change = watch.next();
    watch.push({ joined: [member("b")], left: [], count: 1 });
    expect(await change).toEqual({ joined: [member("b")], left: [], count: 1 });
  });
});
