import type { Message } from "../../../../src/core/message.js";
import { ManualClock } from "../../../support/manual-clock.js";
import {
  type BackendOptions,
  createWorld,
  heardIn,
  identityOf,
  packet,
  renewAccessToken,
  request,
  startBackend,
  TestPeer,
  TOKEN,
  UUID,
  until,
} from "./support.js";

const OK = "OK\n\n\r\n\r\n";

function error(code: number): string {
  return `ER\n${code}\n\r\n\r\n`;
}

async function start(options: BackendOptions = {}) {
  const world = await createWorld();
  return { world, backend: await startBackend(world, options) };
}

/** Creates JSON with the given number of objects in a list. */
function nested(count: number): string {
  return `{"a":[${"{},".repeat(count)}0]}`;
}

function said({ event, payload, sender }: Message): unknown {
  return { event, sender, payload: Buffer.from(payload).toString() };
}

test("X16: publishes in an open channel by BC", async () => {
  const { backend, world } = await start();
  expect(await request(backend, ["OC", "foo"])).toBe(OK);
  const heard = await heardIn(world, "/test", "foo");
  const data = '{"text":"hällo", "n":12345678901234567890}';
  expect(await request(backend, ["BC", "foo", "hello", data])).toBe(OK);
  expect(said(await heard.next())).toEqual({ event: "hello", sender: "", payload: data });
  expect(world.publisher.accepted.backend).toBe(1);
});

test.each([
  ["no channel", ["BC"], 400],
  ["an empty channel", ["BC", "", "e", "{}"], 400],
  ["no data", ["BC", "foo", "e"], 400],
  ["an empty event", ["BC", "foo", "", "{}"], 400],
  ["an event of Carillon's own", ["BC", "foo", ":e", "{}"], 400],
  ["an invalid event", ["BC", "foo", " e", "{}"], 400],
  ["a channel that is not open", ["BC", "bar", "e", "{}"], 454],
  ["a name that no channel has", ["BC", "#foo", "e", "{}"], 454],
  ["OC: nothing", ["OC"], 400],
  ["OC: an empty name", ["OC", ""], 400],
  ["OC: an invalid name", ["OC", "-foo"], 451],
  ["OC: a name with other characters", ["OC", "foo bar"], 451],
  ["OC: too long a name", ["OC", "f".repeat(256)], 451],
  ["CC: nothing", ["CC"], 400],
  ["CC: an empty name", ["CC", ""], 400],
  ["CC: a channel that is not open", ["CC", "bar"], 454],
  ["AT: no permission", ["AT", "ann"], 400],
  ["AT: no user", ["AT", "", ".*"], 400],
  ["AT: an empty permission", ["AT", "ann", ""], 400],
  ["AT: too long a user", ["AT", "a".repeat(256), ".*"], 400],
  ["AT: an expression that cannot be read", ["AT", "ann", "("], 597],
  ["AT: one that goes back and forth", ["AT", "ann", "(a)\\1"], 597],
  ["AT: one that is too large", ["AT", "ann", "((a{100}){100}){100}"], 597],
  ["another command", ["XX"], 400],
  ["a worker's command", ["RD"], 400],
  ["a lower-case command", ["oc", "foo"], 400],
] as const)("X15: refuses without a change: %s", async (_, command, code) => {
  const { backend, world } = await start();
  await world.administration.openChannel("/test", "foo");
  const heard = await heardIn(world, "/test", "foo");
  expect(await request(backend, command)).toBe(error(code));
  expect(await world.administration.listChannels("/test")).toEqual(["foo"]);
  expect(heard.unread).toEqual([]);
  expect(world.faults).toEqual([]);
});

test("D10: refuses data of too many objects and lists", async () => {
  const { backend, world } = await start({ packetBytes: 1_048_576 });
  await world.administration.openChannel("/test", "foo");
  expect(await request(backend, ["BC", "foo", "e", nested(131_072)])).toBe(error(400));
  expect(await request(backend, ["BC", "foo", "e", nested(131_000)])).toBe(OK);
});

test.each([
  ["no JSON", "{"],
  ["an array", "[]"],
  ["null", "null"],
  ["a string", '"text"'],
  ["empty", ""],
])("X16: BC delivers without data when the data is not a JSON object: %s", async (_, data) => {
  const { backend, world } = await start();
  await world.administration.openChannel("/test", "foo");
  const heard = await heardIn(world, "/test", "foo");
  expect(await request(backend, ["BC", "foo", "hello", data])).toBe(OK);
  expect(said(await heard.next())).toEqual({ event: "hello", sender: "", payload: "{}" });
});

test("X15: ignores frames beyond a command's own", async () => {
  const { backend, world } = await start();
  expect(await request(backend, ["OC", "foo", "presence"])).toBe(OK);
  expect(await world.administration.listChannels("/test")).toEqual(["foo"]);
  const heard = await heardIn(world, "/test", "foo");
  expect(await request(backend, ["BC", "foo", "hello", '{"a":1}', "", "more"])).toBe(OK);
  expect(said(await heard.next())).toEqual({ event: "hello", sender: "", payload: '{"a":1}' });
  expect(await request(backend, ["AT", "ann", ".*", "more"])).toMatch(/^AT\n[0-9a-f]{128}\n\r\n\r\n$/);
  expect(await request(backend, ["CC", "foo", "more"])).toBe(OK);
  expect(await world.administration.listChannels("/test")).toEqual([]);
});

test("X17: opens a channel by OC, even twice, and closes it by CC", async () => {
  const { backend, world } = await start();
  for (const name of ["foo", "foo", "presence-foo.1"]) expect(await request(backend, ["OC", name])).toBe(OK);
  expect(await world.administration.listChannels("/test")).toEqual(["foo", "presence-foo.1"]);
  expect(await request(backend, ["CC", "foo"])).toBe(OK);
  expect(await request(backend, ["CC", "foo"])).toBe(error(454));
  expect(await world.administration.listChannels("/test")).toEqual(["presence-foo.1"]);
});

test("X18: issues a single-use token for a user and matching channels by AT", async () => {
  const { backend, world } = await start();
  const answer = await request(backend, ["AT", "ann", "private-a|presence-[0-9]+"]);
  const token = /^AT\n([0-9a-f]{128})\n\r\n\r\n$/.exec(answer)?.[1] ?? "";
  const { authenticator } = world.vhosts.require("/test");
  const { permissions, user } = (await authenticator.authenticate(token)).principal;
  expect(user).toBe("ann");
  const names = ["private-a", "presence-12", "private-ab", "xprivate-a", "presence-1x", "presence-"];
  for (const action of ["join", "publish", "presence"] as const) {
    expect(names.filter((name) => permissions.allows(action, name))).toEqual(["private-a", "presence-12"]);
  }
  expect(permissions.allows("call", "worker/event")).toBe(true);
  await expect(authenticator.authenticate(token)).rejects.toMatchObject({ code: "unauthenticated" });
});

test.each([
  ["another token", identityOf("req", "/test", TOKEN.replace("0", "1")), 402],
  ["an unknown vhost", identityOf("req", "/other"), 402],
  ["a vhost without a token", identityOf("req", "/"), 402],
  ["no token", `req:/test::${UUID}`, 402],
  ["a token too short", identityOf("req", "/test", TOKEN.slice(1)), 402],
  ["no name of its own", `req:/test:${TOKEN}`, 402],
  ["a name too short", `req:/test:${TOKEN}:${UUID.slice(1)}`, 402],
  ["no vhost", identityOf("req", ""), 402],
  ["no path", identityOf("req", "test"), 402],
  ["a token of other characters", identityOf("req", "/test", TOKEN.replace("0", "!")), 402],
  ["a name of other characters", identityOf("req").replace(UUID, UUID.replaceAll("-", " ")), 402],
  ["more than 512 bytes", identityOf("req", `/${"a".repeat(600)}`), 402],
  ["bytes that are not ASCII", identityOf("req", "/tëst"), 402],
  ["nothing but a command", "OC", 402],
  ["another kind", identityOf("req").replace("req", "sub"), 402],
])("X14: refuses an identity with %s", async (_, identity, code) => {
  const { backend, world } = await start();
  expect(await request(backend, ["OC", "foo"], identity)).toBe(error(code));
  expect(await world.administration.listChannels("/test")).toEqual([]);
});

test("X14: refuses a peer before its packet is complete", async () => {
  const { backend } = await start();
  const peer = await TestPeer.connect(backend);
  peer.say(`${identityOf("req", "/other")}\n`);
  expect(await peer.ended).toBe(error(402));
});

test("X14: rejects a packet whose identity is not followed by an empty line", async () => {
  const { backend } = await start();
  for (const text of [`${identityOf("req")}\nOC\nfoo\n\r\n\r\n`, `${identityOf("req")}\n\r\n\r\n`, "\r\n\r\n"]) {
    const peer = await TestPeer.connect(backend);
    peer.say(text);
    expect(await peer.ended).toBe(error(400));
  }
});

test("X14: refuses a replaced token at once", async () => {
  const world = await createWorld();
  const backend = await startBackend(world);
  await world.administration.create("/made", {});
  const first = await renewAccessToken(world, "/made");
  expect(await request(backend, ["OC", "foo"], identityOf("req", "/made", first))).toBe(OK);
  const second = await renewAccessToken(world, "/made");
  expect(await request(backend, ["OC", "bar"], identityOf("req", "/made", first))).toBe(error(402));
  expect(await request(backend, ["OC", "bar"], identityOf("req", "/made", second))).toBe(OK);
});

test("X15: reads a single request on each connection", async () => {
  const { backend, world } = await start();
  const peer = await TestPeer.connect(backend);
  peer.say(packet(identityOf("req"), "OC", "foo") + packet(identityOf("req"), "OC", "bar"));
  expect(await peer.ended).toBe(OK);
  expect(await world.administration.listChannels("/test")).toEqual(["foo"]);
});

test("X15: answers a client that has half-closed its connection", async () => {
  const { backend } = await start();
  const peer = await TestPeer.connect(backend);
  peer.socket.end(packet(identityOf("req"), "OC", "foo"));
  expect(await peer.ended).toBe(OK);
});

test("X13: rejects a packet beyond the limit while the client is still sending", async () => {
  const world = await createWorld();
  const backend = await startBackend(world, { packetBytes: 1_024 });
  const peer = await TestPeer.connect(backend);
  peer.say(`${identityOf("req")}\n\nBC\nfoo\n${"x".repeat(1_000_000)}`);
  expect(await peer.ended).toBe(error(400));
});

test("X13: ends a connection after 10 s without a whole packet", async () => {
  const clock = new ManualClock();
  const world = await createWorld();
  const backend = await startBackend(world, { clock });
  const silent = await TestPeer.connect(backend);
  const slow = await TestPeer.connect(backend);
  slow.say(`${identityOf("req")}\n\nOC`);
  await until(() => backend.backend.connections === 2);
  clock.advance(9_999);
  slow.say("\nfo");
  clock.advance(1);
  expect([await silent.ended, await slow.ended]).toEqual([error(400), error(400)]);
  silent.socket.end();
  slow.socket.end();
  await until(() => backend.backend.connections === 0);
  expect(clock.timers).toBe(0);
});

test("X13: cuts a peer that does not close its side within 2 s", async () => {
  const clock = new ManualClock();
  const world = await createWorld();
  const backend = await startBackend(world, { clock });
  const peer = await TestPeer.connect(backend);
  peer.socket.allowHalfOpen = true;
  peer.say("nonsense\n");
  expect(await peer.ended).toBe(error(402));
  expect(backend.backend.connections).toBe(1);
  clock.advance(2_000);
  await until(() => backend.backend.connections === 0);
});

test("X13: answers 503 to connections beyond the limit", async () => {
  const world = await createWorld();
  const backend = await startBackend(world, { connections: 1 });
  const first = await TestPeer.connect(backend);
  await until(() => backend.backend.connections === 1);
  const second = await TestPeer.connect(backend);
  expect(await second.ended).toBe(error(503));
  first.say(packet(identityOf("req"), "OC", "foo"));
  expect(await first.ended).toBe(OK);
  await until(() => backend.backend.connections === 0);
  expect(await request(backend, ["OC", "foo"])).toBe(OK);
});

test("X15: answers pending requests at a stop, and accepts no others", async () => {
  const { backend } = await start();
  const asked = request(backend, ["OC", "foo"]);
  const silent = await TestPeer.connect(backend);
  await until(() => backend.backend.connections >= 1);
  expect(await asked).toBe(OK);
  const closed = backend.backend.close();
  expect(await silent.ended).toBe("");
  await closed;
});
