import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { BroadcastService } from "../../gen/websockets/v1/websockets_pb.js";
import { BACKEND_ACTIONS } from "../../src/access/decide/actions.js";
import type { BackendDirectory } from "../../src/access/keys/backend.js";
import type { ServiceImplementations } from "../../src/rpc/service.js";
import { CONTROL_ACTIONS } from "../../src/rpc/services/control.js";
import { BROADCAST_ACTIONS, BroadcastImplementation } from "../../src/rpc/services/publish/broadcast.js";
import { broadcastCodec } from "../../src/rpc/services/publish/broadcast-codec.js";
import { callersOf, startMounts, type TestMounts } from "../support/backends/mounts.js";
import { cleanUp } from "../support/clean-up.js";
import { ManualClock } from "../support/manual-clock.js";
import { asIs } from "../support/raw/peers.js";
import { bearer, everybody, TestKeys } from "./support/keys.js";
import { TestPublisher } from "./support/publisher.js";

const UNAUTHENTICATED = 16;
const PERMISSION_DENIED = 7;

const keys = (): TestKeys =>
  new TestKeys({
    all: { actions: ["*"] },
    publisher: { actions: ["publish"] },
    scoped: { actions: ["publish"], topics: ["orders.*"] },
    watcher: { actions: ["connections"] },
    shop: { actions: ["publish"], vhost: "/shop" },
  });

function broadcast(publisher: TestPublisher): ServiceImplementations {
  const implementation = new BroadcastImplementation(publisher.publisher, () => {
    // The lease counts nothing.
  });
  cleanUp(() => implementation.stop());
  return [{ service: BroadcastService, implementation, actions: BROADCAST_ACTIONS, codec: broadcastCodec }];
}

async function start(
  directory: BackendDirectory = keys().keyring,
): Promise<TestMounts & { readonly published: TestPublisher }> {
  const published = new TestPublisher();
  return { ...(await startMounts({ services: broadcast(published), directory })), published };
}

const request = (...topics: string[]) => ({ messages: [{ topics, payload: Buffer.from("x") }] });
const { publish } = BroadcastService.method;

test("A2: answers unauthenticated to a missing key, an unknown key and a malformed header", async () => {
  const mounts = await start();
  for (const caller of callersOf(mounts)) {
    for (const headers of [
      {},
      { authorization: "Bearer carillon_publishe" },
      { authorization: "Basic YTpi" },
      { authorization: "Bearer" },
      { authorization: `Bearer ${"x".repeat(5_000)}` },
    ]) {
      const { message, status } = await caller.call(publish, request("a"), headers);
      expect([caller.name, status]).toEqual([caller.name, UNAUTHENTICATED]);
      expect(message).not.toContain("carillon_publishe");
    }
    expect(await caller.call(publish, request("a"), bearer("publisher"))).toMatchObject({ status: 0 });
  }
  expect(mounts.published.topics).toEqual(["/ a", "/ a", "/ a", "/ a"]);
  expect(mounts.faults).toEqual([]);
});

test("A3: publishes in the key's vhost, and refuses another", async () => {
  const mounts = await start();
  for (const caller of callersOf(mounts)) {
    const answer = await caller.call(publish, request("a"), { ...bearer("shop"), "carillon-vhost": "/" });
    expect([caller.name, answer.status]).toEqual([caller.name, PERMISSION_DENIED]);
    for (const headers of [bearer("shop"), { ...bearer("shop"), "carillon-vhost": "/shop" }]) {
      expect(await caller.call(publish, request("b"), headers)).toMatchObject({ status: 0 });
    }
  }
  expect(new Set(mounts.published.topics)).toEqual(new Set(["/shop b"]));
});

test("A2: publishes with a scoped key on its own topics only, all or nothing", async () => {
  const mounts = await start();
  for (const caller of callersOf(mounts)) {
    const { message, status } = await caller.call(publish, request("orders.1", "news"), bearer("scoped"));
    expect([caller.name, status]).toEqual([caller.name, PERMISSION_DENIED]);
    expect(message).toBe('messages[0].topics: key "scoped" is not permitted to use topic "news"');
    expect(mounts.published.topics).toEqual([]);
    expect(await caller.call(publish, request("orders.1"), bearer("scoped"))).toMatchObject({ status: 0 });
    mounts.published.topics.length = 0;
  }
});

test("E22: refuses a key without the action, naming the action", async () => {
  const mounts = await start();
  for (const caller of callersOf(mounts)) {
    const answer = await caller.call(publish, request("a"), bearer("watcher"));
    expect(answer).toMatchObject({
      status: PERMISSION_DENIED,
      message: 'key "watcher" lacks the action "publish"',
    });
  }
  expect(mounts.published.topics).toEqual([]);
});

test("A3: takes the vhost from carillon-vhost when no keys are required", async () => {
  const mounts = await start(everybody());
  for (const caller of callersOf(mounts)) {
    await caller.call(publish, request("a"));
    await caller.call(publish, request("a"), { "carillon-vhost": "/shop" });
  }
  expect(mounts.published.topics).toEqual(["/ a", "/shop a", "/ a", "/shop a", "/ a", "/shop a", "/ a", "/shop a"]);
});

test("A2: does not read the request of a refused caller", async () => {
  const mounts = await start();
  // By gRPC the status arrives while the request continues.
  const client = new Client(mounts.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const path = "/websockets.v1.BroadcastService/Publish";
  const status = await new Promise<ServiceError | null>((resolve) => {
    const call = client.makeClientStreamRequest(path, asIs, asIs, new Metadata(), resolve);
    call.on("error", () => {
      // The status event reports the error.
    });
    call.write(Buffer.from("ff", "hex"));
  });
  expect(status).toMatchObject({ code: UNAUTHENTICATED });

  const { hostname, port } = new URL(mounts.http);
  const socket = connectTcp(Number(port), hostname);
  cleanUp(() => socket.destroy());
  const head = [
    "POST /websockets.v1.BroadcastService/Publish HTTP/1.1",
    "host: a",
    "content-type: application/proto",
    "content-length: 1000000",
    "",
    "begun",
  ];
  socket.write(head.join("\r\n"));
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 401 /);
});

test("A2: declares an action for every method of every service, and creates no mount otherwise", async () => {
  const services: ServiceImplementations = [
    {
      service: BroadcastService,
      implementation: new BroadcastImplementation(new TestPublisher().publisher, () => {}),
      actions: { publish: "publish" },
    },
  ];
  await expect(startMounts({ services, directory: everybody() })).rejects.toThrow(
    "/websockets.v1.BroadcastService/PublishAsync declares no action",
  );
  expect(Object.keys(CONTROL_ACTIONS).toSorted()).toEqual(Object.keys(ControlService.method).toSorted());
  for (const action of Object.values({ ...CONTROL_ACTIONS, ...BROADCAST_ACTIONS })) {
    expect(BACKEND_ACTIONS).toContain(action);
  }
});

test("A2: requires no key for health, and a key for reflection where keys are configured", async () => {
  const mounts = await start();
  const client = new Client(mounts.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const call = (path: string, metadata = new Metadata()): Promise<number> =>
    new Promise((resolve) => {
      const stream = client.makeBidiStreamRequest(path, asIs, asIs, metadata);
      stream.on("data", () => {
        resolve(0);
        stream.cancel();
      });
      stream.on("error", ({ code }: ServiceError) => resolve(code));
      stream.write(path.includes("reflection") ? Buffer.from("3a00", "hex") : Buffer.alloc(0));
      stream.end();
    });
  const withKey = new Metadata();
  withKey.set("authorization", bearer("watcher").authorization);
  expect(await call("/grpc.health.v1.Health/Check")).toBe(0);
  for (const version of ["v1", "v1alpha"]) {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    expect(await call(path)).toBe(UNAUTHENTICATED);
    expect(await call(path, withKey)).toBe(0);
  }
});

test("A2: hides the text of a fault during authentication", async () => {
  const mounts = await start({
    identify: () => {
      throw new Error("the secret is 42");
    },
  });
  for (const caller of callersOf(mounts)) {
    expect(await caller.call(publish, request("a"))).toMatchObject({ status: 13, message: "internal error" });
  }
  expect(mounts.faults).toHaveLength(4);
});

test("A2: ends the open streams of a revoked key after the pending answers", async () => {
  const clock = new ManualClock();
  const directory = keys();
  const published = new TestPublisher();
  const mounts = await startMounts({ services: broadcast(published), directory: directory.keyring, clock });
  const client = new Client(mounts.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const open = (name: string) => {
    const metadata = new Metadata();
    metadata.set("authorization", bearer(name).authorization);
    const call = client.makeBidiStreamRequest("/websockets.v1.BroadcastService/PublishStream", asIs, asIs, metadata);
    const ended = new Promise<ServiceError>((resolve) => {
      call.on("error", resolve);
    });
    return { call, ended };
  };
  const revoked = open("publisher");
  const kept = open("all");
  for (const { call } of [revoked, kept]) {
    call.write(Buffer.from("0a03120161", "hex"));
    await once(call, "data");
  }
  clock.advance(1_000);
  directory.keep("all");
  clock.advance(500);
  expect(await revoked.ended).toMatchObject({ code: UNAUTHENTICATED });
  kept.call.write(Buffer.from("0a03120161", "hex"));
  await once(kept.call, "data");
  kept.call.end();
  expect(published.topics).toHaveLength(3);
});
