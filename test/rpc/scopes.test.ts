import { create, type DescMethodUnary, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../gen/carillon/v1/token_pb.js";
import { BroadcastService, RequestSchema } from "../../gen/websockets/v1/websockets_pb.js";
import { bearer, configuredKey, GrpcBackend, mountsOf, STATUS, TestBackend } from "../support/backends/backend.js";
import { cleanUp } from "../support/clean-up.js";
import { connect } from "../support/clients/native.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { asIs } from "../support/raw/peers.js";

const control = ControlService.method;

const SCOPED = { actions: ["connections" as const, "topics" as const, "keys" as const, "tokens" as const] };

function start(): Promise<TestNode> {
  const keys = [
    configuredKey("all", { actions: ["*"] }),
    configuredKey("scoped", { ...SCOPED, topics: ["orders.*"] }),
    configuredKey("taken", { actions: ["publish"] }),
  ];
  return startNode({ vhosts: { "/": { keys } } });
}

/** Reads and discards the answers of a call. Resolves with its status. */
function openCall(node: TestNode, path: string, secret: string, first: Buffer) {
  const client = new Client(node.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${secret}`);
  const call = client.makeBidiStreamRequest(path, asIs, asIs, metadata);
  const answered = new Promise<void>((resolve) => {
    call.on("data", () => resolve());
  });
  const ended = new Promise<number>((resolve) => {
    call.on("error", ({ code }: ServiceError) => resolve(code));
  });
  call.write(first);
  return { answered, ended };
}

/** Converts a message to plain JSON, without undefined members. */
function settingsOf(...keys: readonly object[]): JsonObject {
  return JSON.parse(JSON.stringify({ keys })) as JsonObject;
}

function publishing(topic: string): Buffer {
  const request = create(RequestSchema, { messages: [{ topics: [topic], payload: Buffer.from("x") }] });
  return Buffer.from(toBinary(RequestSchema, request));
}

test("A2: reveals no topic names beyond a scoped key's own, in pages, page tokens or connections", async () => {
  const node = await start();
  const client = await connect(`${node.ws}/ws`);
  await client.join("merger", "orders.1", "orders.2", "zebra");
  const scoped = new TestBackend(node, bearer("scoped"));
  const names: string[] = [];
  let pageToken = "";
  do {
    const page = await scoped.call(control.listTopics, { pageSize: 1, pageToken });
    names.push(...page.topics.map(({ name }) => name));
    pageToken = page.nextPageToken;
    expect(Buffer.from(pageToken, "base64url").toString()).not.toMatch(/merger|zebra/);
  } while (pageToken !== "");
  expect(names).toEqual(["orders.1", "orders.2"]);

  const { connections } = await scoped.call(control.listConnections, {});
  const { topics } = await scoped.call(control.getConnection, { id: connections[0]?.id ?? "" });
  expect(topics.map(({ topic }) => topic).toSorted()).toEqual(["orders.1", "orders.2"]);
});

test("C4: revokes with a scoped key only keys that it could have created", async () => {
  const node = await start();
  const all = new TestBackend(node, bearer("all"));
  const scoped = new TestBackend(node, bearer("scoped"));
  for (const more of [
    { actions: ["*"] },
    { actions: ["topics"] },
    { actions: ["topics"], topics: ["*"] },
    { actions: ["publish"], topics: ["orders.*"] },
  ]) {
    const { key } = await all.call(control.createKey, { name: "strong", ...more });
    const id = key?.id ?? "";
    expect([more, (await scoped.ask(control.revokeKey, { id })).status]).toEqual([more, STATUS.permissionDenied]);
    await all.call(control.revokeKey, { id });
  }
  const { key } = await scoped.call(control.createKey, { name: "weak", actions: ["topics"], topics: ["orders.*"] });
  await scoped.call(control.revokeKey, { id: key?.id ?? "" });
});

test("A8: refuses a scoped key that would grant calls beyond its own patterns", async () => {
  const scoped = new TestBackend(await start(), bearer("scoped"));
  const { createAccessToken } = TokenService.method;
  expect((await scoped.ask(createAccessToken, { permissions: { call: ["*"] } })).status).toBe(STATUS.permissionDenied);
  expect((await scoped.ask(createAccessToken, { permissions: { call: ["orders.*"] } })).status).toBe(STATUS.ok);
});

test("A8: accepts lifetimes with fractions of a millisecond", async () => {
  const node = await start();
  for (const caller of mountsOf(node)) {
    const methods: DescMethodUnary[] = [
      TokenService.method.createAccessToken,
      TokenService.method.createConnectionToken,
    ];
    for (const method of methods) {
      const request = { lifetime: { seconds: 60n, nanos: 123_456_789 } };
      const { message, status } = await caller.call(method, request, bearer("all"));
      expect([caller.name, message, status]).toEqual([caller.name, "", STATUS.ok]);
    }
  }
});

test("C3: refuses settings with a key of another vhost, and changes nothing", async () => {
  const node = await start();
  const admin = new TestBackend(node, bearer("all"));
  const path = "/shop";
  const own = configuredKey("own", { actions: ["publish"] });
  const { name, ...taken } = configuredKey("taken", { actions: ["*"] });
  await admin.call(control.createVhost, { path, settings: settingsOf(own) });
  const settings = settingsOf({ name: `${name}2`, ...taken });
  expect((await admin.ask(control.updateVhost, { path, settings })).status).toBe(STATUS.alreadyExists);
  expect((await admin.ask(control.createVhost, { path: "/other", settings })).status).toBe(STATUS.alreadyExists);
  expect((await admin.ask(control.getVhost, { path: "/other" })).status).toBe(STATUS.notFound);
  const publish = { messages: [{ topics: ["a"], payload: Buffer.from("x") }] };
  for (const secret of ["own", "taken"]) {
    const backend = new GrpcBackend({ grpc: node.grpc, headers: bearer(secret) });
    expect((await backend.ask(BroadcastService.method.publish, publish)).status).toBe(STATUS.ok);
  }
});

test("A2: ends an open stream when its key's topics change", async () => {
  const node = await start();
  const admin = new TestBackend(node, bearer("all"));
  const path = "/shop";
  const keysWith = (topics: string[]) => ({
    path,
    settings: settingsOf(configuredKey("own", { actions: ["publish"], topics })),
  });
  await admin.call(control.createVhost, keysWith(["orders.*", "news"]));
  const call = openCall(node, "/websockets.v1.BroadcastService/PublishStream", "own", publishing("orders.1"));
  await call.answered;
  await admin.call(control.updateVhost, keysWith(["news"]));
  expect(await call.ended).toBe(STATUS.permissionDenied);
});

test.each(["v1", "v1alpha"])("A2: ends an open reflection stream (%s) when its key is revoked", async (version) => {
  const node = await start();
  const admin = new TestBackend(node, bearer("all"));
  const { key, secret } = await admin.call(control.createKey, { name: "made", actions: ["publish"] });
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  const call = openCall(node, path, secret, Buffer.from("3a00", "hex"));
  await call.answered;
  await admin.call(control.revokeKey, { id: key?.id ?? "" });
  expect(await call.ended).toBe(STATUS.unauthenticated);
});
