import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { PresenceService } from "../../../gen/carillon/v1/presence_pb.js";
import { RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import type { RpcCall } from "../../../src/rpc/service.js";
import { PRESENCE_ACTIONS } from "../../../src/rpc/services/presence.js";
import { withResolvers } from "../../../src/util/with-resolvers.js";
import { startMounts } from "../../support/backends/mounts.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";
import { everybody } from "../support/keys.js";

const PUBLISH = "/websockets.v1.BroadcastService/Publish";
const WATCH = "/carillon.v1.ControlService/WatchConnections";
const TEXT = "application/grpc-web-text";

function enveloped(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function post(url: string, body: string, signal?: AbortSignal): Promise<Response> {
  const init = { method: "POST", headers: { "content-type": TEXT }, body };
  return fetch(url, signal === undefined ? init : { ...init, signal });
}

function publishOf(bytes: number): string {
  const message = create(RequestSchema, { messages: [{ topics: ["a"], payload: new Uint8Array(bytes) }] });
  return enveloped(toBinary(RequestSchema, message)).toString("base64");
}

/** Decodes base64 whose parts are padded separately. */
function decoded(text: string): Buffer {
  return Buffer.concat((text.match(/[^=]+=*/g) ?? []).map((piece) => Buffer.from(piece, "base64")));
}

test("R15: answers a request in base64 in base64", async () => {
  const node = await startNode();
  const bytes = toBinary(
    RequestSchema,
    create(RequestSchema, { messages: [{ topics: ["a"], payload: Buffer.from("x") }] }),
  );
  const response = await post(node.http + PUBLISH, enveloped(bytes).toString("base64"));
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/grpc-web-text+proto"]);
  const text = await response.text();
  expect(text).toMatch(/^[\w+/=]+$/);
  const answer = decoded(text);
  expect(answer[0]).toBe(0);
  expect(answer.toString("latin1")).toContain("grpc-status: 0\r\n");
});

test.each([
  ["raw bytes", "\u0000\u0000\u0000\u0000\u0000", "not base64"],
  ["padding in the middle", "AAAA=AAAA", "not base64"],
  ["nothing", "", "truncated"],
  ["half an envelope", "AAAA", "truncated"],
])("R15: refuses malformed base64: %s", async (_, body, reason) => {
  const node = await startNode();
  const answer = decoded(await (await post(node.http + PUBLISH, body)).text()).toString("latin1");
  expect(answer).toContain("grpc-status: 3\r\n");
  expect(decodeURIComponent(answer)).toContain(`the request cannot be decoded: ${reason}`);
});

test("R15: applies the limit to the decoded bytes", async () => {
  const node = await startNode({ limits: { request: "1KiB", payload: "1KiB" } });
  const statusOf = async (body: string): Promise<string | undefined> =>
    /grpc-status: (\d+)/.exec(decoded(await (await post(node.http + PUBLISH, body)).text()).toString("latin1"))?.[1];
  expect(await statusOf(publishOf(1_000))).toBe("0");
  expect(await statusOf(publishOf(1_024))).toBe("8");
  expect(await statusOf("A".repeat(100_000))).toBe("8");
});

test("R15: streams answers as they happen", async () => {
  const node = await startNode();
  const controller = new AbortController();
  const url = node.http + WATCH;
  const response = await post(url, enveloped(new Uint8Array()).toString("base64"), controller.signal);
  const reader = response.body?.getReader();
  const next = async (): Promise<Buffer> =>
    decoded(Buffer.from((await reader?.read())?.value ?? []).toString("latin1"));
  // Caught up with an empty topic.
  expect((await next()).length).toBeGreaterThan(5);
  await connect(`${node.ws}/ws`);
  expect((await next()).toString("latin1")).toContain("native");
  controller.abort();
});

test("R15: ends an idle stream when its client disconnects", async () => {
  const ended = withResolvers<boolean>();
  const implementation = {
    getPresence: () => Promise.reject(new Error("not called")),
    watchPresence: async function* (_request: unknown, { signal }: RpcCall) {
      yield {};
      await once(signal, "abort");
      ended.resolve(signal.aborted);
    },
  };
  const { http } = await startMounts({
    services: [{ service: PresenceService, implementation, actions: PRESENCE_ACTIONS }],
    directory: everybody(),
  });
  const controller = new AbortController();
  const url = `${http}/carillon.v1.PresenceService/WatchPresence`;
  const response = await post(url, enveloped(new Uint8Array()).toString("base64"), controller.signal);
  await response.body?.getReader().read();
  controller.abort();
  expect(await ended.promise).toBe(true);
});
