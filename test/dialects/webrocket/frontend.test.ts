import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { fromSessionUuid } from "../../../src/core/session-uuid.js";
import { startWorld, token, WORLDS } from "../../commands/support.js";
import { bearer } from "../../support/backends/backend.js";
import { startWorker } from "../../support/backends/worker.js";
import { connect, type NativeFrame, refusedUpgrade } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { backendOf, configOf, error, Frontend, openChannels, SECRET } from "./support.js";

const ALL = { join: ["*"], publish: ["*"], call: ["*"] };

const ROOM = "presence-room";

async function enter(node: TestNode, user: string): Promise<Frontend> {
  return Frontend.open(node, await token({ sub: user, permissions: ALL }));
}

function joined(uid: string, data: object = {}, channel = ROOM): object {
  return { ":memberJoined": { uid, channel, ...data } };
}

function left(uid: string, data: object = {}, channel = ROOM): object {
  return { ":memberLeft": { uid, channel, ...data } };
}

function subscribed(uid: string, subscribers: readonly object[], channel = ROOM): object {
  return { ":subscribed": { channel, uid, subscribers } };
}

function subscribe(more: object = {}, channel = ROOM): object {
  return { subscribe: { channel, ...more } };
}

/** Subscribes, and takes the notices of the client's own join. */
async function arrive(client: Frontend, more: object = {}, channel = ROOM): Promise<void> {
  expect(await client.ask(subscribe(more, channel))).toMatchObject({ ":subscribed": { channel } });
  expect(await client.next()).toMatchObject({ ":memberJoined": { channel } });
}

describe.each(WORLDS)("WebRocket: %s", (kind) => {
  async function start(): Promise<readonly [one: TestNode, other: TestNode]> {
    const { one, other } = await startWorld(kind, configOf());
    await openChannels(one, other);
    return [one, other];
  }

  test("X8: sends a new member the list of members and its own join, and the other members its join with its data", async () => {
    const [one, other] = await start();
    const eve = await enter(one, "eve");
    expect(await eve.ask(subscribe({ data: { name: "Eve", 7: [1] } }))).toEqual(subscribed("eve", []));
    expect(await eve.next()).toEqual(joined("eve", { name: "Eve", 7: [1] }));
    const hidden = await enter(other, "spy");
    await hidden.ask(subscribe({ hidden: true, data: { name: "Spy" } }));

    const adam = await enter(other, "adam");
    const forged = { uid: "forged", channel: "forged", sid: "its own" };
    expect(await adam.ask(subscribe({ data: forged }))).toEqual(
      subscribed("adam", [{ uid: "eve", name: "Eve", 7: [1] }]),
    );
    expect(await adam.next()).toEqual(joined("adam", { sid: "its own" }));
    for (const client of [eve, hidden]) expect(await client.next()).toEqual(joined("adam", { sid: "its own" }));
    // No client is notified twice, and no client of the hidden member.
    for (const client of [eve, adam, hidden]) expect(await client.heard()).toEqual([]);
  });

  test("X9: confirms a leave, and sends the other members the member's data from the join and the leave", async () => {
    const [one, other] = await start();
    const [eve, adam] = [await enter(one, "eve"), await enter(other, "adam")];
    await arrive(eve);
    await arrive(adam, { data: { name: "Adam", mood: "good" } });
    expect(await eve.next()).toEqual(joined("adam", { name: "Adam", mood: "good" }));
    const said = { mood: "tired", why: "late", uid: "forged", channel: "forged" };
    expect(await adam.ask({ unsubscribe: { channel: ROOM, data: said } })).toEqual({
      ":unsubscribed": { channel: ROOM },
    });
    expect(await eve.next()).toEqual(left("adam", { name: "Adam", mood: "tired", why: "late" }));
    expect(await adam.heard()).toEqual([]);

    await arrive(adam, { data: { name: "Adam" } });
    expect(await eve.next()).toEqual(joined("adam", { name: "Adam" }));
    expect(await adam.ask({ unsubscribe: { channel: ROOM } })).toEqual({ ":unsubscribed": { channel: ROOM } });
    expect(await eve.next()).toEqual(left("adam", { name: "Adam" }));
  });

  test("X9: sends a close's data in all channels, and no data for a lost connection or a new authentication", async () => {
    const [one, other] = await start();
    const eve = await enter(one, "eve");
    await arrive(eve);
    const adam = await enter(other, "adam");
    await arrive(adam, { data: { name: "Adam" } });
    await arrive(adam, {}, "presence-hall");
    expect(await eve.next()).toEqual(joined("adam", { name: "Adam" }));
    expect(await adam.ask({ close: { why: "done" } })).toEqual({ ":closed": { sid: adam.sid } });
    expect(await adam.client.closed).toEqual({ code: 1_000, reason: "" });
    expect(await eve.next()).toEqual(left("adam", { name: "Adam", why: "done" }));

    const cain = await enter(other, "cain");
    await arrive(cain, { data: { a: 1 } });
    expect(await eve.next()).toEqual(joined("cain", { a: 1 }));
    cain.client.webSocket.terminate();
    expect(await eve.next()).toEqual(left("cain", { a: 1 }));

    const abel = await enter(other, "abel");
    await arrive(abel, { data: { a: 1 } });
    expect(await eve.next()).toEqual(joined("abel", { a: 1 }));
    await abel.ask({ auth: { token: await token({ sub: "seth", permissions: ALL }) } });
    expect(await eve.next()).toEqual(left("abel", { a: 1 }));
    expect(await abel.ask(subscribe())).toEqual(subscribed("seth", [{ uid: "eve" }]));
    expect(await eve.next()).toEqual(joined("seth"));
  });

  test("X1: uses one UUID as sid on all nodes, by which backends can address the connection", async () => {
    const [one, other] = await start();
    const adam = await Frontend.open(one);
    expect(adam.sid).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    const id = fromSessionUuid(adam.sid);
    const [eve, backend] = [await Frontend.open(other), backendOf(other)];
    expect(await backend.call(ControlService.method.getConnection, { id: adam.sid })).toMatchObject({
      connection: { id },
    });
    await adam.ask(subscribe({}, "open"));
    await eve.ask(subscribe({}, "open"));
    adam.send({ broadcast: { channel: "open", event: "e" } });
    expect(await eve.next()).toEqual({ e: { sid: adam.sid, channel: "open" } });
    expect(await adam.next()).toEqual({ e: { sid: adam.sid, channel: "open" } });
    for (const name of [adam.sid, adam.sid.toUpperCase(), id]) {
      const messages = [{ topics: [`$connection.${name}`], event: "to you", payload: Buffer.from('{"a":1}') }];
      await backend.call(BroadcastService.method.publish, { messages });
      expect(await adam.next()).toEqual({ "to you": { a: 1, channel: `$connection.${adam.sid}` } });
    }
    const target = { target: { case: "connectionId", value: adam.sid } } as const;
    expect(await backend.call(ControlService.method.disconnect, { target })).toMatchObject({ connections: 1 });
    expect(await adam.client.closed).toMatchObject({ code: 4_403 });
    expect(await eve.heard()).toEqual([]);
  });

  test("X5: delivers a broadcast to every subscriber, the sender and hidden ones included, and a task to a worker", async () => {
    const [one, other] = await start();
    const worker = await startWorker(one, ["worker/*"], { headers: bearer(SECRET) });
    const [eve, adam, spy] = [await enter(one, "eve"), await enter(other, "adam"), await enter(other, "spy")];
    await arrive(eve);
    await arrive(adam);
    expect(await eve.next()).toEqual(joined("adam"));
    await spy.ask(subscribe({ hidden: true }));
    const broadcast = { channel: ROOM, event: "said", data: { text: "hi" }, trigger: "worker/said" };
    adam.send({ broadcast });
    for (const client of [eve, adam, spy]) {
      expect(await client.next()).toEqual({ said: { text: "hi", sid: adam.sid, channel: ROOM } });
    }
    const task = await worker.tasks.next();
    expect(task).toMatchObject({
      event: "worker/said",
      topic: ROOM,
      connectionId: fromSessionUuid(adam.sid),
      user: "adam",
    });
    expect(Buffer.from(task.payload).toString()).toBe('{"text":"hi"}');
    adam.send('{"trigger":{"event":"worker/other","data":{ "n": 12345678901234567890 }}}');
    const next = await worker.tasks.next();
    expect(next).toMatchObject({ event: "worker/other", topic: "", connectionId: fromSessionUuid(adam.sid) });
    expect(Buffer.from(next.payload).toString()).toBe('{ "n": 12345678901234567890 }');
    expect(await adam.heard()).toEqual([]);
  });
});

async function startOne(): Promise<TestNode> {
  const node = await startNode(configOf());
  await openChannels(node);
  return node;
}

test("L1: accepts an origin with a final slash, as Go's WebSocket client sends it", async () => {
  const node = await startOne();
  for (const origin of ["http://127.0.0.1", "http://127.0.0.1/", "http://127.0.0.1:3000/"]) {
    const client = await connect(`${node.ws}/webrocket/test`, { headers: { origin } });
    expect(await client.nextText()).toMatch(/^\{":connected":/);
  }
  const strange = { headers: { origin: "http://127.0.0.1.example.com/" } };
  expect(await refusedUpgrade(`${node.ws}/webrocket/test`, strange)).toMatchObject({ status: 403 });
});

test("X2: accepts a single access token once", async () => {
  const node = await startOne();
  const permissions = { join: ["re:presence-.*"], presence: ["re:presence-.*"] };
  const request = { user: "eve", permissions };
  const { token: single } = await backendOf(node).call(TokenService.method.createAccessToken, request);
  expect(single).toMatch(/^[\da-f]{128}$/);
  const eve = await Frontend.open(node, single);
  expect(await eve.ask(subscribe())).toEqual(subscribed("eve", []));
  expect(await eve.next()).toEqual(joined("eve"));
  expect(await eve.ask(subscribe({}, "private-club"))).toEqual(error(403, "Forbidden"));
  expect(await (await Frontend.open(node)).ask({ auth: { token: single } })).toEqual(error(402, "Unauthorized"));
  // A used token has no effect on the client that used it.
  expect(await eve.ask({ auth: { token: single } })).toEqual(error(402, "Unauthorized"));
  expect(await eve.ask({ broadcast: { channel: ROOM, event: "e" } })).toEqual({ e: { sid: eve.sid, channel: ROOM } });
});

test("X3: lists at most 1,000 members, and reports when there are more", async () => {
  const node = await startOne();
  const credential = await token({ sub: "cain", permissions: ALL });
  const others = Array.from({ length: 1_001 }, () =>
    connect(`${node.ws}/ws/test`, { headers: { authorization: `Bearer ${credential}` } }),
  );
  const [last, ...clients] = await Promise.all(others);
  for (const client of clients) await client.join(ROOM);
  const eve = await enter(node, "eve");
  const first = (await eve.ask(subscribe({ hidden: true }))) as Listed;
  expect(first).toHaveProperty([":subscribed"]);
  expect(first[":subscribed"].subscribers).toHaveLength(1_000);
  expect(first[":subscribed"].more).toBeUndefined();
  await eve.ask({ unsubscribe: { channel: ROOM } });
  await last?.join(ROOM);
  const second = (await eve.ask(subscribe())) as Listed;
  expect(second[":subscribed"].subscribers).toHaveLength(1_000);
  expect(second[":subscribed"].more).toBe(true);
});

interface Listed {
  readonly ":subscribed": { readonly subscribers: readonly object[]; readonly more?: boolean };
}

test("X2: leaves all channels at a new authentication, even after an anonymous token", async () => {
  const node = await startOne();
  const eve = await Frontend.open(node);
  await eve.ask(subscribe({}, "open"));
  // An anonymous client's first token without a user does not leave its channels.
  await eve.ask({ auth: { token: await token({ permissions: ALL }) } });
  expect(await eve.ask({ broadcast: { channel: "open", event: "e" } })).toMatchObject({ e: { channel: "open" } });
  await eve.ask({ auth: { token: await token({ sub: "eve", permissions: ALL }) } });
  expect(await eve.ask({ broadcast: { channel: "open", event: "e" } })).toEqual(error(453, "Not subscribed"));
});

test("X8, X9: reports each join and leave once on two nodes", async () => {
  const { one, other } = await startWorld("two nodes on NATS", configOf());
  await openChannels(one, other);
  const watchers = [await enter(one, "eve"), await enter(other, "abel")];
  for (const watcher of watchers) await arrive(watcher, { data: { of: "watchers" } });
  expect(await watchers[0]?.next()).toEqual(joined("abel", { of: "watchers" }));
  const expected: object[] = [];
  for (const [number, node] of [one, other, one, other].entries()) {
    const adam = await enter(node, `adam${number}`);
    await arrive(adam, { data: { number } });
    // Each change is awaited, because a member that leaves before its join was reported is not reported at all.
    expected.push(joined(`adam${number}`, { number }), left(`adam${number}`, { number, why: "done" }));
    for (const watcher of watchers) expect(await watcher.next()).toEqual(expected.at(-2));
    if (number < 2) await adam.ask({ unsubscribe: { channel: ROOM, data: { why: "done" } } });
    else await adam.ask({ close: { why: "done" } });
    for (const watcher of watchers) expect(await watcher.next()).toEqual(expected.at(-1));
  }
  // Changes of one node arrive in order: a repeated one would have arrived before these.
  for (const node of [one, other]) {
    const last = await enter(node, "last");
    await last.ask(subscribe({ data: { at: "last" } }));
    for (const watcher of watchers) expect(await watcher.next()).toEqual(joined("last", { at: "last" }));
  }
  for (const watcher of watchers) expect(await watcher.heard()).toEqual([]);
});

test("X10, D4: sends backends' messages without sid, other payloads as data, and other events as message", async () => {
  const node = await startOne();
  const eve = await Frontend.open(node);
  await eve.ask(subscribe({}, "open"));
  const cases: readonly (readonly [event: string, payload: string | Buffer, told: string])[] = [
    ["e", '{"a":1}', '{"e":{"a":1,"channel":"open"}}'],
    ["e", " { } ", '{"e":{"channel":"open"}}'],
    ["e", '{"sid":"a backend\'s own","channel":"forged"}', '{"e":{"sid":"a backend\'s own","channel":"open"}}'],
    ["", '{"a":1}', '{"message":{"a":1,"channel":"open"}}'],
    [":memberLeft", '{"a":1}', '{"message":{"a":1,"channel":"open"}}'],
    ['"', "text", '{"\\"":{"data":"text","channel":"open"}}'],
    ["e", "[1]", '{"e":{"data":[1],"channel":"open"}}'],
    ["e", "null", '{"e":{"data":null,"channel":"open"}}'],
    ["e", "{not JSON", '{"e":{"data":"{not JSON","channel":"open"}}'],
    ["e", "", '{"e":{"data":"","channel":"open"}}'],
    ["e", Buffer.from([0xff, 0x7b]), '{"e":{"data":"/3s=","encoding":"base64","channel":"open"}}'],
  ];
  for (const [event, payload, told] of cases) {
    const messages = [{ topics: ["open"], event, payload: Buffer.from(payload) }];
    await backendOf(node).call(BroadcastService.method.publish, { messages });
    expect(await eve.client.nextText()).toBe(told);
  }
});

test("X10: delivers data of any depth", async () => {
  const node = await startOne();
  const eve = await Frontend.open(node);
  await eve.ask(subscribe({}, "open"));
  const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  eve.send(`{"broadcast":{"channel":"open","event":"e","data":${deep}}}`);
  expect(await eve.client.nextText()).toBe(`{"e":${deep.slice(0, -1)},"sid":"${eve.sid}","channel":"open"}}`);
  const most = { name: "x".repeat(4_096 - '{"name":""}'.length) };
  const adam = await enter(node, "adam");
  await arrive(adam, { data: most });
  expect(await adam.ask({ unsubscribe: { channel: ROOM, data: { name: `${most.name}x` } } })).toEqual(
    error(400, "Bad request"),
  );
  adam.send(`{"subscribe":{"channel":"presence-hall","data":${deep}}}`);
  expect(await adam.next()).toEqual(error(400, "Bad request"));
});

test("X11: reports actions on a client's behalf as answers, and a closed channel as left", async () => {
  const node = await startOne();
  const { closeChannel, subscribe: join, unsubscribe } = ControlService.method;
  const eve = await enter(node, "eve");
  const target = { target: { case: "connectionId", value: eve.sid } } as const;
  await backendOf(node).call(join, { target, topics: ["open", "private-club"] });
  expect(await eve.next()).toEqual({ ":subscribed": { channel: "open" } });
  expect(await eve.next()).toEqual({ ":subscribed": { channel: "private-club", uid: "eve" } });
  await backendOf(node).call(unsubscribe, { target, topics: ["open"] });
  expect(await eve.next()).toEqual({ ":unsubscribed": { channel: "open" } });
  await backendOf(node).call(closeChannel, { channel: "private-club" });
  expect(await eve.next()).toEqual({ ":unsubscribed": { channel: "private-club" } });
  expect(await eve.ask({ broadcast: { channel: "private-club", event: "e" } })).toEqual(
    error(454, "Channel not found"),
  );
});

test("D2: lets webrocket and native clients exchange messages and see each other", async () => {
  const node = await startOne();
  const credential = await token({ sub: "cain", permissions: ALL, info: { of: "the token", uid: "forged" } });
  const cain = await connect(`${node.ws}/ws/test?meta=1`, { headers: { authorization: `Bearer ${credential}` } });
  await cain.ask({ command: "join", topics: [ROOM], presence: true });
  const eve = await enter(node, "eve");
  expect(await eve.ask(subscribe({ data: { name: "Eve" } }))).toEqual(
    subscribed("eve", [{ uid: "cain", of: "the token" }]),
  );
  expect(await eve.next()).toEqual(joined("eve", { name: "Eve" }));
  const news = { count: 2, joined: [{ connection: fromSessionUuid(eve.sid), user: "eve", info: { name: "Eve" } }] };
  expect((await cain.next()).payload).toMatchObject(news);
  eve.send({ broadcast: { channel: ROOM, event: "e", data: { a: 1 } } });
  expect(await eve.next()).toEqual({ e: { a: 1, sid: eve.sid, channel: ROOM } });
  expect(await cain.next()).toMatchObject({
    topic: ROOM,
    payload: '{"a":1}',
    event: "e",
  } satisfies Partial<NativeFrame>);
  cain.send({ command: "publish", topics: [ROOM], payload: { b: 2, sid: "forged" }, event: "" });
  expect(await eve.next()).toEqual({ message: { b: 2, sid: expect.not.stringMatching("forged"), channel: ROOM } });
  eve.send({ unsubscribe: { channel: ROOM, data: { why: "done" } } });
  expect(await cain.next()).toMatchObject({ topic: "@publish" });
});
