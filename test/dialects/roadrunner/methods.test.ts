import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { packageVersion } from "../../../src/util/package-root.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";
import { FLAGS, rpcClient } from "./support.js";

const LISTEN = { roadrunner: { listen: "tcp://127.0.0.1:0" } };
const PUBLISHING = ["broadcast.Publish", "broadcast.PublishAsync", "websockets.Publish", "websockets.PublishAsync"];
const OK = "0801";

type Messages = NonNullable<MessageInitShape<typeof RequestSchema>["messages"]>;

function requestOf(...messages: Messages): Uint8Array {
  return toBinary(RequestSchema, create(RequestSchema, { messages }));
}

/** Encodes length-delimited fields, in the given order. */
function fields(...all: readonly (readonly [field: number, value: string | Uint8Array])[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, value] of all) writer.tag(field, WireType.LengthDelimited).bytes(Buffer.from(value));
  return writer.finish();
}

async function start() {
  const node = await startNode(LISTEN);
  const listener = await connect(`${node.ws}/ws?meta=1`);
  await listener.join("hello", "foo");
  return { node, listener, client: await rpcClient(node) };
}

test("G1: answers the golden frames byte for byte", async () => {
  const { client, listener } = await start();
  client.send(
    Buffer.from(
      "15801e000000b5a2f9e30000010000001100000062726f6164636173742e5075626c6973680a0b120568656c6c6f1a024869",
      "hex",
    ),
  );
  const ok = "158013000000687a93110000010000001100000062726f6164636173742e5075626c6973680801";
  expect((await client.take(ok.length / 2)).toString("hex")).toBe(ok);
  expect(await listener.next()).toMatchObject({ topic: "hello", payload: "Hi" });
});

test.each(PUBLISHING)("G3: publishes by %s, and answers ok with the request's sequence and name", async (method) => {
  const { client, listener } = await start();
  const body = requestOf(
    { topics: ["hello", "foo"], payload: Buffer.from("1") },
    { topics: ["foo"], text: "2", event: "e", id: "x" },
  );
  expect(await client.call(method, body, { sequence: 4_000_000_000 })).toEqual({
    flags: FLAGS.protobuf,
    sequence: 4_000_000_000,
    method,
    body: Buffer.from(OK, "hex"),
  });
  expect(await listener.next()).toMatchObject({ topic: "hello", payload: "1" });
  expect(await listener.next()).toMatchObject({ topic: "foo", payload: "1" });
  expect(await listener.next()).toMatchObject({ topic: "foo", payload: "2", event: "e", id: "x" });
  expect((await client.call(method, "")).body.toString("hex")).toBe(OK);
});

test("G4: skips empty topic names, and ignores the command of a message", async () => {
  const { client, listener } = await start();
  const body = requestOf(
    { topics: ["", "foo"], payload: Buffer.from("1") },
    { topics: [""], payload: Buffer.from("2") },
    { topics: ["foo"], payload: Buffer.from("3"), command: "join" },
  );
  expect((await client.call("broadcast.Publish", body)).body.toString("hex")).toBe(OK);
  expect([(await listener.next()).payload, (await listener.next()).payload]).toEqual(["1", "3"]);
});

test.each([
  [requestOf({ topics: [] }), "messages[0].topics: at least one is required"],
  [requestOf({ topics: ["@bad"] }), "messages[0].topics[0] begins with a reserved character (@, # or $)"],
  [requestOf({ topics: ["foo"], broker: "nope" }), 'messages[0].broker: unknown broker "nope"; known: memory'],
  [
    requestOf({ topics: ["foo"], payload: Buffer.alloc(1_048_577) }),
    "messages[0].payload: 1048577 bytes, the limit is 1048576",
  ],
  [Buffer.from("0a05", "hex"), "the request cannot be decoded: premature EOF"],
])(
  "G5: answers a refused publish by an error frame with the reason, and publishes nothing (%#)",
  async (body, reason) => {
    const { client, listener } = await start();
    for (const method of PUBLISHING) {
      const { body: text, ...rest } = await client.call(method, body);
      expect({ ...rest, text: text.toString() }).toEqual({
        flags: FLAGS.protobuf | FLAGS.error,
        sequence: 1,
        method,
        text: reason,
      });
    }
    await client.call("broadcast.Publish", requestOf({ topics: ["foo"], payload: Buffer.from("sentinel") }));
    expect(await listener.next()).toMatchObject({ payload: "sentinel" });
  },
);

test("G3: publishes the data or base64 of centrifuge.Publish and Broadcast", async () => {
  const { client, listener } = await start();
  // A tag (field 5) and skip_history (field 4) mean nothing here.
  const publish = fields([1, "foo"], [2, "data"], [5, fields([1, "k"], [2, "v"])], [6, "key-1"]);
  const published = await client.call("centrifuge.Publish", Buffer.concat([publish, Buffer.from("2001", "hex")]));
  expect(published).toMatchObject({ flags: FLAGS.protobuf, method: "centrifuge.Publish" });
  expect(published.body.toString("hex")).toBe("1200");
  expect(await listener.next()).toMatchObject({ topic: "foo", payload: "data", id: "key-1" });

  const broadcast = await client.call("centrifuge.Broadcast", fields([1, "hello"], [1, "foo"], [3, "aGk="]));
  expect(broadcast.body.toString("hex")).toBe("12080a0212000a021200");
  expect(await listener.next()).toMatchObject({ topic: "hello", payload: "hi" });
  expect(await listener.next()).toMatchObject({ topic: "foo", payload: "hi" });
});

test.each([
  ["centrifuge.Publish", fields([2, "x"]), "channel is empty"],
  ["centrifuge.Publish", fields([1, "#bad"], [2, "x"]), "channel begins with a reserved character (@, # or $)"],
  ["centrifuge.Broadcast", fields([1, "foo"], [1, ""]), "channels[1] is empty"],
  ["centrifuge.Broadcast", fields([2, "x"]), "channels: at least one is required"],
  ["centrifuge.Publish", fields([1, "foo"], [3, "a b"]), "b64data is not base64"],
  ["centrifuge.Publish", fields([1, "foo"], [6, " x"]), "idempotency_key begins or ends with whitespace"],
  ["centrifuge.Publish", fields([1, "foo"], [2, Buffer.alloc(1_048_577)]), "data: 1048577 bytes, the limit is 1048576"],
])("G5: refuses %s with the names of its own fields (%#)", async (method, body, reason) => {
  const { client } = await start();
  const answer = await client.call(method, body);
  expect([answer.flags, answer.body.toString()]).toEqual([FLAGS.protobuf | FLAGS.error, reason]);
});

test("G3: lists the services that PHP's library needs, and the version", async () => {
  const { client } = await start();
  const json = { flags: FLAGS.json };
  const list = await client.call("informer.List", "true", json);
  expect([list.flags, JSON.parse(list.body.toString())]).toEqual([
    FLAGS.json,
    ["websockets", "broadcast", "centrifuge"],
  ]);
  expect(JSON.parse((await client.call("rpc.Version", '"x"', json)).body.toString())).toBe(packageVersion);
});

test.each([
  ["jobs.Push", 0x80, "rpc: can't find service jobs.Push"],
  ["broadcast.Nope", 0x80, "rpc: can't find method broadcast.Nope"],
  ["broadcast", 0x80, "rpc: service/method request ill-formed: broadcast"],
  ["", 0x80, "rpc: service/method request ill-formed: "],
  ["broadcast.Publish", 0x08, "broadcast.Publish requires protobuf, got json"],
  ["broadcast.Publish", 0x20, "broadcast.Publish requires protobuf, got gob"],
  ["informer.List", 0x80, "informer.List requires json, got protobuf"],
  ["broadcast.Publish", 0x88, "broadcast.Publish requires protobuf, got flags 0x88"],
  ["broadcast.Publish", 0x81, "broadcast.Publish requires protobuf, got flags 0x81"],
  ["broadcast.Publish", 0x00, "broadcast.Publish requires protobuf, got flags 0x00"],
])("G5: refuses method %j with the flags %d, and keeps the connection", async (method, flags, reason) => {
  const { client } = await start();
  const answer = await client.call(method, "", { flags, sequence: 7 });
  expect(answer).toMatchObject({ sequence: 7, method, flags: (flags & 0xfc & ~0x40) | FLAGS.error });
  expect(answer.body.toString()).toBe(reason);
  expect((await client.call("broadcast.Publish", "")).body.toString("hex")).toBe(OK);
});

test("G7: publishes to the listener's own vhost, even one created later", async () => {
  const node = await startNode({
    vhosts: { "/shop": {} },
    roadrunner: [
      { listen: "tcp://127.0.0.1:0", vhost: "/shop" },
      { listen: "tcp://127.0.0.1:0", vhost: "/later" },
    ],
  });
  const here = await connect(`${node.ws}/ws`);
  const shop = await connect(`${node.ws}/ws/shop`);
  await here.join("foo");
  await shop.join("foo");
  const publish = requestOf({ topics: ["foo"], payload: Buffer.from("x") });
  await (await rpcClient(node)).call("broadcast.Publish", publish);
  expect(await shop.next()).toMatchObject({ payload: "x" });
  const later = await rpcClient(node, 1);
  expect((await later.call("broadcast.Publish", publish)).body.toString()).toBe('unknown vhost "/later"');
  const created = await fetch(`${node.http}/carillon.v1.ControlService/CreateVhost`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"path":"/later"}',
  });
  expect(created.status).toBe(200);
  expect((await later.call("broadcast.Publish", publish)).body.toString("hex")).toBe(OK);
  await fetch(`${node.http}/websockets.v1.BroadcastService/Publish`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"messages":[{"topics":["foo"],"text":"sentinel"}]}',
  });
  expect(await here.next()).toMatchObject({ payload: "sentinel" });
});
