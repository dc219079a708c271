import { once } from "node:events";
import { create, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { MessageSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import {
  MessageSchema as MessageV1Beta,
  BroadcastService as V1Beta,
} from "../../../gen/websockets/v1beta/websockets_pb.js";
import { createWorker } from "../../../src/index.js";
import { callersOf } from "../../support/backends/mounts.js";
import { peersOf } from "../../support/backends/peers.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { Queue } from "../../support/queue.js";

const SERVICES = ["websockets.v1.BroadcastService", "websockets.v1beta.BroadcastService"];

interface JsonAnswer {
  readonly status: number;
  readonly body: { readonly code?: string; readonly message?: string; readonly receipts?: readonly object[] };
}

/** Sends JSON text like any HTTP client. */
async function post(
  node: TestNode,
  messages: string,
  { contentType = "application/json", method = "Publish", service = "websockets.v1.BroadcastService" } = {},
): Promise<JsonAnswer> {
  const response = await fetch(`${node.http}/${service}/${method}`, {
    method: "POST",
    headers: { "content-type": contentType },
    body: `{"messages":[${messages}]}`,
  });
  return { status: response.status, body: (await response.json()) as JsonAnswer["body"] };
}

async function listening(node: TestNode) {
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("a");
  return listener;
}

/** JSON texts that must be published unchanged. */
const VALUES = [
  "5",
  "null",
  "true",
  '""',
  '"te\\u0073t"',
  "1.10",
  "1E5",
  "123456789012345678901234567890",
  '{"b":1,"a":2,"10":3,"9":4,"a":5}',
  '[ 1 , [2], {"json" : "}]\\"{["} ]',
  '"größe"',
];

test.each(SERVICES)("R11, O13: %s publishes json unchanged", async (service) => {
  const node = await startNode();
  const listener = await listening(node);
  for (const method of ["Publish", "PublishAsync"]) {
    for (const value of VALUES) {
      const { status } = await post(node, `{"topics":["a"],"json": ${value} }`, { method, service });
      expect([value, status]).toEqual([value, 200]);
      expect(await listener.next()).toEqual({ topic: "a", payload: value });
    }
  }
  const batch = VALUES.map((value) => `{"json":${value},"topics":["a"],"payload":null}`).join(" , ");
  await post(node, `{"topics":["a"],"payload":"AA=="}, ${batch}, {"topics":["a"],"text":"[1.0]"}`, { service });
  const received = await Promise.all(["", ...VALUES, ""].map(() => listener.next()));
  expect(received.map(({ payload }) => payload)).toEqual(["\0", ...VALUES, "[1.0]"]);
});

test("R11: finds json by an escaped name and for a media type with parameters, and refuses it twice", async () => {
  const node = await startNode();
  const listener = await listening(node);
  await post(node, '{"topics":["a"],"js\\u006fn":1.0}');
  expect((await listener.next()).payload).toBe("1.0");
  await post(node, '{"json":2.0,"topics":["a"]}', { contentType: "application/json; charset=utf-8" });
  expect((await listener.next()).payload).toBe("2.0");
  expect(await post(node, '{"json":1,"topics":["a"],"json":2.0}')).toMatchObject({ status: 400 });
});

test("R11: publishes text as UTF-8, by every protocol", async () => {
  const node = await startNode();
  const listener = await listening(node);
  for (const peer of peersOf(node)) {
    const texts = ["test", "größe 🎵", '{"n":1.10}'];
    expect(await peer.publish(texts.map((text) => ({ topics: ["a"], text })))).toMatchObject({ status: 0 });
    for (const text of texts) expect((await listener.next()).payload).toBe(text);
  }
});

test.each(SERVICES)("E28: %s refuses a payload in two forms, and publishes nothing of the request", async (service) => {
  const node = await startNode();
  const listener = await listening(node);
  const forms = { payload: '"payload":"AAAA"', text: '"text":"b"', json: '"json":null' };
  for (const [first, second] of [
    ["payload", "text"],
    ["payload", "json"],
    ["text", "json"],
  ] as const) {
    const both = `{"topics":["a"],${forms[first]},${forms[second]}}`;
    expect(await post(node, `{"topics":["a"],"text":"x"},${both}`, { service })).toMatchObject({
      status: 400,
      body: {
        code: "invalid_argument",
        message: `messages[1].${second}: at most one of payload, text and json is allowed`,
      },
    });
  }
  await post(node, '{"topics":["a"],"text":"sentinel"}');
  expect((await listener.next()).payload).toBe("sentinel");
});

test("R11: has no field json in protobuf", () => {
  expect(MessageSchema.fields.map(({ name }) => name)).not.toContain("json");
});

test("R12: serves v1beta with its own field numbers and the answers of v1, on both ports", async () => {
  const node = await startNode({ brokers: { memory: { driver: "memory" }, other: { driver: "memory" } } });
  const listener = await listening(node);
  expect(MessageV1Beta.fields.slice(0, 4).map(({ name, number }) => [number, name])).toEqual([
    [1, "command"],
    [2, "broker"],
    [3, "topics"],
    [4, "payload"],
  ]);
  const message = { command: "publish", broker: "memory", topics: ["a"], payload: Buffer.from("hi"), id: "1" };
  for (const caller of callersOf(node)) {
    for (const [method, stage] of [
      [V1Beta.method.publish, 2],
      [V1Beta.method.publishAsync, 1],
    ] as const) {
      const { answer, status } = await caller.call(method, { messages: [message, { ...message, id: "2" }] });
      expect([caller.name, status, answer.ok]).toEqual([caller.name, 0, true]);
      expect(answer.receipts.map(({ id, stage: reached }) => [id, reached])).toEqual([
        ["1", stage],
        ["2", stage],
      ]);
      for (const _ of answer.receipts) expect(await listener.next()).toEqual({ topic: "a", payload: "hi" });
    }
    expect(await caller.call(V1Beta.method.publish, { messages: [{ ...message, broker: "nope" }] })).toMatchObject({
      status: 5,
      message: 'messages[0].broker: unknown broker "nope"; known: memory, other',
    });
  }
});

test("R12: serves streams of requests in v1beta", async () => {
  const node = await startNode();
  const listener = await listening(node);
  const { input, name, output } = V1Beta.method.publishStream;
  const client = new Client(node.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const stream = client.makeBidiStreamRequest(
    `/${V1Beta.typeName}/${name}`,
    (request: MessageInitShape<typeof input>) => Buffer.from(toBinary(input, create(input, request))),
    (bytes) => fromBinary(output, bytes),
  );
  for (const payload of ["1", "2"]) {
    stream.write({ messages: [{ topics: ["a"], payload: Buffer.from(payload), id: payload }] });
    const [answer] = (await once(stream, "data")) as [MessageShape<typeof output>];
    expect([answer.ok, answer.receipts.map(({ id }) => id)]).toEqual([true, [payload]]);
    expect((await listener.next()).payload).toBe(payload);
  }
  stream.end();
  await once(stream, "status");
});

test.each(SERVICES)("R11: %s rejects invalid base64 with a hint at text and json", async (service) => {
  const node = await startNode();
  const hint = '; "payload" is base64, "text" takes text and "json" any JSON value';
  for (const payload of ['"Hello, world!"', '{"a":1}', "5", '"größe"']) {
    const { body, status } = await post(node, `{"topics":["a"],"payload":${payload}}`, { service });
    expect([status, body.message]).toEqual([400, expect.stringContaining(hint)]);
  }
  // Valid base64 is decoded as such.
  const listener = await listening(node);
  await post(node, '{"topics":["a"],"payload":"test"}', { service });
  expect(await listener.next()).toMatchObject({ payload: "test", encoding: "base64" });
  const other = await post(node, '{"topics":5}', { service });
  expect(other.body.message).not.toContain(hint);
});

test("R11: accepts text and json in calls and triggers", async () => {
  const node = await startNode();
  const received = new Queue<string>();
  const worker = createWorker({ url: `grpc://${node.grpc}` });
  cleanUp(() => worker.stop({ timeout: 0 }));
  worker.on("say", ({ payload }) => {
    received.push(Buffer.from(payload).toString());
  });
  await worker.start();
  const ask = async (method: string, request: string): Promise<{ code?: string; message?: string }> => {
    const response = await fetch(`${node.http}/carillon.v1.CallService/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{"event":"say",${request}}`,
    });
    return (await response.json()) as object;
  };
  for (const method of ["Call", "Trigger"]) {
    for (const [form, payload] of [
      ['"text":"größe"', "größe"],
      ['"json":{"b":1.10,"a":1E5}', '{"b":1.10,"a":1E5}'],
      ['"payload":"aGk="', "hi"],
    ]) {
      expect(await ask(method, form ?? "")).not.toHaveProperty("code");
      expect(await received.next()).toBe(payload);
    }
    for (const [form, field] of [
      ['"text":"a","payload":"aGk="', "text"],
      ['"json":1,"payload":"aGk="', "json"],
      ['"json":1,"text":"a"', "json"],
    ]) {
      expect(await ask(method, form ?? "")).toMatchObject({
        code: "invalid_argument",
        message: `${field}: at most one of payload, text and json is allowed`,
      });
    }
    const { message } = await ask(method, '"payload":"not base64!"');
    expect(message).toContain('"text" takes text and "json" any JSON value');
  }
});
