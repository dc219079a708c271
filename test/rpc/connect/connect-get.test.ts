import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ControlService, ListTopicsRequestSchema } from "../../../gen/carillon/v1/control_pb.js";
import { PresenceService } from "../../../gen/carillon/v1/presence_pb.js";
import { connect } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const LIST = "/carillon.v1.ControlService/ListTopics";

async function get(node: TestNode, query: string, headers = {}): Promise<[status: number, body: unknown]> {
  const response = await fetch(`${node.http}${LIST}${query}`, { headers });
  return [response.status, await response.json()];
}

/** Starts a node with one topic. */
async function withTopic(): Promise<TestNode> {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("héllo");
  return node;
}

const LISTED = [200, { topics: [{ broker: "memory", name: "héllo", sessions: 1 }] }];

test.each([true, false])(
  "R14: answers the stock client's GET for methods without side effects; protobuf: %s",
  async (binary) => {
    const node = await withTopic();
    // Only answers to GET are marked as not cacheable.
    const methods: string[] = [];
    const transport = createConnectTransport({
      baseUrl: node.http,
      httpVersion: "1.1",
      useHttpGet: true,
      useBinaryFormat: binary,
      interceptors: [
        (next) => async (request) => {
          const answer = await next(request);
          methods.push(`${request.method.name} ${answer.header.get("cache-control")}`);
          return answer;
        },
      ],
    });
    const control = createClient(ControlService, transport);
    expect((await control.listTopics({ prefix: "h" })).topics.map(({ name }) => name)).toEqual(["héllo"]);
    expect((await control.listTopics({ prefix: "x" })).topics).toEqual([]);
    const { connections } = await control.listConnections({});
    const id = connections[0]?.id ?? "";
    expect((await control.getConnection({ id })).connection?.id).toBe(id);
    expect((await control.listVhosts({})).vhosts).toHaveLength(1);
    await control.openChannel({ channel: "opened" });
    expect(methods).toEqual([
      "ListTopics no-store",
      "ListTopics no-store",
      "ListConnections no-store",
      "GetConnection no-store",
      "ListVhosts no-store",
      "OpenChannel null",
    ]);
    await expect(createClient(PresenceService, transport).getPresence({ topic: "x" })).rejects.toThrow("presence");
  },
);

test("R14: reads the request from the query in JSON or protobuf, as text, base64 or compressed", async () => {
  const node = await withTopic();
  const json = '{"prefix":"hé"}';
  const bytes = Buffer.from(toBinary(ListTopicsRequestSchema, create(ListTopicsRequestSchema, { prefix: "hé" })));
  for (const query of [
    `?encoding=json&message=${encodeURIComponent(json)}`,
    `?connect=v1&encoding=json&message=${encodeURIComponent(json)}`,
    `?message=%7B+%22prefix%22:+%22h%C3%A9%22%7D&encoding=json`,
    `?encoding=json&base64=1&message=${Buffer.from(json).toString("base64url")}`,
    `?encoding=json&base64=1&message=${encodeURIComponent(Buffer.from(json).toString("base64"))}`,
    `?encoding=json&base64=1&compression=gzip&message=${gzipSync(json).toString("base64url")}`,
    "?encoding=json&message=%7B%7D",
    "?encoding=json&message={}",
  ]) {
    expect([query, ...(await get(node, query))]).toEqual([query, ...LISTED]);
  }
  for (const message of [`base64=1&message=${bytes.toString("base64url")}`, "message=", "base64=1&message="]) {
    expect((await fetch(`${node.http}${LIST}?encoding=proto&${message}`)).status).toBe(200);
  }
});

test.each([
  ["", "a GET needs the request in its query: message, and encoding=json or proto"],
  ["?message={}", "a GET needs the request in its query"],
  ["?encoding=json", "a GET needs the request in its query"],
  ["?encoding=xml&message={}", "a GET needs the request in its query"],
  ["?encoding=json&base64=1&message=%7B%7D", "not base64"],
  ["?encoding=json&message=%22%ff%22", "not UTF-8"],
  ["?encoding=json&message={", "the request cannot be decoded"],
  ["?encoding=json&compression=gzip&message={}", "decompression failed"],
  ["?encoding=proto&message=%0a%05", "the request cannot be decoded"],
])("R14: refuses a query without a valid request: %s", async (query, message) => {
  const node = await startNode();
  const [status, body] = await get(node, query);
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: "invalid_argument", message: expect.stringContaining(message) as string });
});

test("R14: requires the same key as a POST", async () => {
  const hash = `sha256:${"0".repeat(64)}`;
  const node = await startNode({ vhosts: { "/": { keys: [{ name: "k", hash, actions: ["topics"] }] } } });
  const query = "?encoding=json&message={}";
  expect(await get(node, query)).toMatchObject([401, { code: "unauthenticated" }]);
  expect(await get(node, query, { authorization: "Bearer wrong" })).toMatchObject([401, { code: "unauthenticated" }]);
});
