import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { TestBackend, until } from "../support/backends/backend.js";
import { connect, type NativeFrame, type TestClient } from "../support/clients/native.js";
import { startNode } from "../support/nodes/node.js";
import { enter, jwt, type Listed, present, startWorld, token, type VhostInput, WORLDS } from "./support.js";

const vhosts = { "/": { jwt, presence: true } } satisfies Record<string, VhostInput>;

interface News {
  readonly topic: string;
  readonly count: number;
  readonly joined: Listed["members"];
  readonly left: readonly { readonly connection: string; readonly user: string }[];
}

async function news(client: TestClient): Promise<News> {
  const frame = await client.next();
  expect(frame).toMatchObject({ topic: "@presence" });
  return frame.payload as News;
}

const watching = (topic: string, fields: object = {}) => ({
  command: "join",
  topics: [topic],
  presence: true,
  hidden: true,
  ...fields,
});

/** Polls until the count is as expected, because other nodes learn of changes a moment later. */
const counted = (client: TestClient, topic: string, count: number) =>
  until(
    () => present(client, topic),
    (listed) => listed.count === count,
  );

describe.each(WORLDS)("W12: presence: %s", (kind) => {
  test("lists the members of all nodes with user and info, and counts users once", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const clients = [
      await enter(one, { sub: "eve", info: { name: "Eve" } }),
      await enter(other, { sub: "eve", info: { name: "Eve" } }),
      await enter(other, { sub: "adam" }),
      await connect(`${one.ws}/ws`),
      await connect(`${other.ws}/ws`),
    ];
    for (const client of clients) await client.join("foo");
    const asker = await connect(`${one.ws}/ws`);
    const { members, ...counts } = await counted(asker, "foo", 5);
    expect(counts).toEqual({ topic: "foo", count: 5, users: 4 });
    expect(members.map(({ user }) => user).toSorted()).toEqual(["", "", "adam", "eve", "eve"]);
    for (const { connection, info, user } of members) {
      expect(connection).toMatch(/^[\da-f]{12}\.[\da-z]+$/);
      expect(info).toEqual(user === "eve" ? { name: "Eve" } : {});
    }
    expect(new Set(members.map(({ connection }) => connection)).size).toBe(5);
  });

  test("W20: reports joins, leaves, closed connections and backends' changes to watchers, after the answer to their join", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const watcher = await connect(`${one.ws}/ws`);
    expect(await watcher.ask(watching("foo", { id: 1 }))).toEqual({ topic: "@join", payload: ["foo"], id: 1 });
    const eve = await enter(other, { sub: "eve", info: { a: 1 } });
    await eve.join("foo", "bar");
    const come = await news(watcher);
    const connection = come.joined[0]?.connection;
    expect(come).toEqual({ topic: "foo", count: 1, joined: [{ connection, user: "eve", info: { a: 1 } }], left: [] });
    await eve.ask({ command: "leave", topics: ["foo"] });
    const gone = { topic: "foo", count: 0, joined: [], left: [{ connection, user: "eve" }] };
    expect(await news(watcher)).toEqual(gone);

    const target = { target: { case: "user", value: "eve" } } as const;
    await new TestBackend(one).call(ControlService.method.subscribe, { target, topics: ["foo"] });
    expect(await news(watcher)).toMatchObject({ count: 1 });
    await new TestBackend(one).call(ControlService.method.unsubscribe, { target, topics: ["foo"] });
    expect(await news(watcher)).toEqual(gone);
    expect(await eve.next()).toMatchObject({ topic: "@join" });
    expect(await eve.next()).toMatchObject({ topic: "@leave" });

    await eve.join("foo");
    expect(await news(watcher)).toMatchObject({ count: 1 });
    eve.webSocket.terminate();
    expect(await news(watcher)).toEqual(gone);
    await watcher.ask({ command: "leave", topics: ["foo"] });
    await (await connect(`${other.ws}/ws`)).join("foo");
    await counted(watcher, "foo", 1);
    expect(watcher.unread).toEqual([]);
  });

  test("W20: reports a client that authenticates as an anonymous member leaving and a user joining", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const watcher = await connect(`${one.ws}/ws`);
    await watcher.ask(watching("foo"));
    const client = await connect(`${other.ws}/ws`);
    await client.join("foo");
    const come = await news(watcher);
    const connection = come.joined[0]?.connection;
    await client.ask({ command: "authenticate", payload: await token({ sub: "eve" }), id: 1 });
    expect(await news(watcher)).toEqual({
      topic: "foo",
      count: 1,
      joined: [{ connection, user: "eve", info: {} }],
      left: [{ connection, user: "" }],
    });
  });

  test("W20: lets a client reconstruct the members from answers and events in any order", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    // Enough members for a large topic, which reports changes in batches.
    const crowd = await Promise.all(
      Array.from({ length: 105 }, (_, position) => connect(`${position % 2 === 0 ? one.ws : other.ws}/ws`)),
    );
    for (const client of crowd) client.send({ command: "join", topics: ["foo"], id: "crowd" });
    for (const client of crowd) await client.next();
    const watcher = await connect(`${one.ws}/ws`);
    await watcher.ask(watching("foo"));
    const model = new Model();
    const known = async (): Promise<void> => {
      watcher.send({ command: "presence", topics: ["foo"], id: "known" });
      for (;;) {
        const frame = await watcher.next();
        model.take(frame);
        if (frame.id === "known") return;
      }
    };
    await known();
    const clients = await Promise.all([one, other, one, other].map((node) => connect(`${node.ws}/ws`)));
    for (let round = 0; round < 40; round += 1) {
      const client = clients[round % clients.length];
      await client?.join("foo");
      if (round % 3 === 0) await known();
      await client?.ask({ command: "leave", topics: ["foo"] });
      if (round % 5 === 0) await known();
    }
    for (const client of crowd.slice(0, 50)) client.webSocket.close();
    while (model.size !== 55 && model.faults.length === 0) model.take(await watcher.next());
    const { members } = await present(await connect(`${one.ws}/ws`), "foo");
    expect(model.faults).toEqual([]);
    expect(model.connections).toEqual(members.map(({ connection }) => connection));
  });
});

/** Members of a topic, as a client reconstructs them from answers and events. */
class Model {
  /** Events and answers that contradict earlier ones. */
  readonly faults: unknown[] = [];
  #members: Set<string> | undefined;

  get size(): number {
    return this.#members?.size ?? -1;
  }

  get connections(): string[] {
    return [...(this.#members ?? [])].toSorted();
  }

  take({ payload, topic }: NativeFrame): void {
    const { count, joined, left, members } = payload as News & Partial<Listed>;
    if (members !== undefined) this.#members = new Set(members.map(({ connection }) => connection));
    // Changes before the first answer are included in it.
    if (this.#members === undefined) return;
    for (const { connection } of left ?? []) this.#members.delete(connection);
    for (const { connection } of joined ?? []) this.#members.add(connection);
    if (topic !== "@presence" || this.#members.size !== count) this.faults.push(payload);
  }
}

describe("A13: rules that change at run time", () => {
  const path = "/shop";
  const start = async (settings: object) => {
    const node = await startNode();
    const backend = new TestBackend(node);
    await backend.call(ControlService.method.createVhost, { path, settings: { jwt, ...settings } });
    const update = (changed: object) =>
      backend.call(ControlService.method.updateVhost, { path, settings: { jwt, ...changed } });
    return { node, update, ws: `${node.ws}/ws${path}` };
  };

  test("W12: lists members after presence is turned on, and none after it is turned off, and notifies watchers", async () => {
    const { update, ws } = await start({});
    const clients = [await connect(ws), await connect(ws)];
    const hidden = await connect(ws);
    for (const client of clients) await client.join("foo");
    await hidden.ask({ command: "join", topics: ["foo"], hidden: true });
    const asker = await connect(ws);
    expect(await asker.ask({ command: "presence", topics: ["foo"], id: 1 })).toMatchObject({ topic: "#presence" });
    await update({ presence: true });
    expect(await present(asker, "foo")).toMatchObject({ count: 2 });
    await asker.ask(watching("foo"));
    await update({ presence: false });
    expect(await asker.next()).toEqual({ topic: "#presence", payload: ["foo"] });
    await clients[0]?.ask({ command: "leave", topics: ["foo"] });
    await update({ presence: true });
    expect(await present(asker, "foo")).toMatchObject({ count: 1 });
    expect(asker.unread).toEqual([]);
  });

  test("W20: removes a client that may no longer join, and reports nothing more to it", async () => {
    const { node, update, ws } = await start({ presence: true });
    const watcher = await enter(node, { sub: "eve", permissions: { join: ["foo"] } }, `/ws${path}`);
    await watcher.ask(watching("foo"));
    const client = await connect(ws);
    await client.join("foo");
    expect(await news(watcher)).toMatchObject({ count: 1 });
    await update({ presence: true, access: "private" });
    expect(await client.next()).toEqual({ topic: "@leave", payload: ["foo"] });
    expect(await news(watcher)).toMatchObject({ count: 0 });
    const fresh = await token({ sub: "eve" });
    expect(await watcher.ask({ command: "authenticate", payload: fresh })).toMatchObject({ topic: "@authenticate" });
    expect(await watcher.next()).toEqual({ topic: "@leave", payload: ["foo"] });
    expect(await watcher.ask({ command: "presence", topics: ["foo"], id: 1 })).toMatchObject({ topic: "#presence" });
  });
});

test("W12: lists at most 1,000 members, and reports when there are more", async () => {
  const node = await startNode({ vhosts });
  const watcher = await connect(`${node.ws}/ws`);
  await watcher.ask(watching("foo"));
  const first = await connect(`${node.ws}/ws`);
  const more = await Promise.all(Array.from({ length: 1_000 }, () => connect(`${node.ws}/ws`)));
  const clients = [first, ...more];
  for (const client of clients) client.send({ command: "join", topics: ["foo"] });
  for (const client of clients) await client.next();
  const listed = await present(first, "foo");
  expect([listed.count, listed.users, listed.members.length, listed.more]).toEqual([1_001, 1_001, 1_000, true]);
  let told = 0;
  while (told < 1_001) told += (await news(watcher)).joined.length;
  clients.at(-1)?.webSocket.close();
  await news(watcher);
  const fewer = await present(first, "foo");
  expect([fewer.count, fewer.members.length, fewer.more]).toEqual([1_000, 1_000, undefined]);
});

test("O7: encodes a change once for many watchers", async () => {
  const node = await startNode({ vhosts });
  const watchers = await Promise.all(Array.from({ length: 50 }, () => connect(`${node.ws}/ws`)));
  for (const watcher of watchers) await watcher.ask(watching("foo"));
  const client = await connect(`${node.ws}/ws`);
  const stringify = jest.spyOn(JSON, "stringify");
  await client.join("foo");
  const texts = await Promise.all(watchers.map((watcher) => watcher.nextText()));
  const written = stringify.mock.calls.filter(([value]) => (value as { topic?: string } | null)?.topic === "@presence");
  stringify.mockRestore();
  expect(new Set(texts).size).toBe(1);
  expect(written).toHaveLength(1);
});
