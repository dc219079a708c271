import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RequestSchema, ResponseSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { startNode } from "../../support/nodes/node.js";

const PUBLISH = "/websockets.v1.BroadcastService/Publish";
const STREAM = "/websockets.v1.BroadcastService/PublishStream";
const WATCH = "/carillon.v1.ControlService/WatchConnections";
const LIST = "/carillon.v1.ControlService/ListTopics";

const UNARY = [
  "application/json",
  "application/proto",
  "application/grpc-web",
  "application/grpc-web+proto",
  "application/grpc-web+json",
  "application/grpc-web-text",
  "application/grpc-web-text+proto",
];

function enveloped(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function bodyOf(contentType: string): Buffer {
  const type = contentType.toLowerCase();
  const bytes = type.includes("json") ? Buffer.from("{}") : Buffer.from(toBinary(RequestSchema, create(RequestSchema)));
  const body = type.includes("grpc-web") || type.includes("connect+") ? enveloped(bytes) : bytes;
  return type.includes("-text") ? Buffer.from(body.toString("base64")) : body;
}

function post(url: string, contentType: string): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": contentType },
    body: new Uint8Array(bodyOf(contentType)),
  });
}

test.each([
  "application/json",
  "Application/JSON",
  "application/json; charset=utf-8",
  "application/json;charset=UTF-8",
  'application/json; charset="utf-8"',
  'application/json ; Charset="UTF8" ; version=1',
  "application/json;",
])("R13: accepts %s as JSON", async (contentType) => {
  const node = await startNode();
  const response = await post(node.http + PUBLISH, contentType);
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
  expect(await response.json()).toEqual({ ok: true });
});

test("R13: accepts parameters and any letter case in the media types of protobuf, gRPC-Web and streams", async () => {
  const node = await startNode();
  for (const contentType of ["APPLICATION/PROTO", 'application/proto; messageType="websockets.v1.Request"']) {
    const response = await post(node.http + PUBLISH, contentType);
    expect(fromBinary(ResponseSchema, new Uint8Array(await response.arrayBuffer())).ok).toBe(true);
  }
  for (const contentType of [
    "Application/gRPC-Web+Proto",
    'application/grpc-web; a="b"',
    "application/GRPC-WEB+JSON",
  ]) {
    const answer = Buffer.from(await (await post(node.http + PUBLISH, contentType)).arrayBuffer());
    expect(answer.subarray(-"grpc-status: 0\r\n".length).toString()).toBe("grpc-status: 0\r\n");
  }
  for (const contentType of ["Application/Connect+JSON", 'application/connect+json; charset="utf-8"']) {
    const controller = new AbortController();
    const response = await fetch(node.http + WATCH, {
      method: "POST",
      headers: { "content-type": contentType },
      body: new Uint8Array(bodyOf(contentType)),
      signal: controller.signal,
    });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/connect+json"]);
    controller.abort();
  }
});

test.each([
  [PUBLISH, "text/plain", UNARY],
  [PUBLISH, "application/x-www-form-urlencoded", UNARY],
  [PUBLISH, "application/json; charset=iso-8859-1", UNARY],
  [PUBLISH, 'application/json; charset="utf-8', UNARY],
  [PUBLISH, "application/connect+json", UNARY],
  [PUBLISH, "application/grpc", UNARY],
  [PUBLISH, "application/jsonx", UNARY],
  [WATCH, "application/json", ["application/connect+json", "application/connect+proto", ...UNARY.slice(2)]],
])("R13: %s refuses %s with 415, naming the supported types", async (path, contentType, accepted) => {
  const node = await startNode();
  const response = await post(node.http + path, contentType);
  expect([response.status, response.headers.get("accept-post")]).toEqual([415, accepted.join(", ")]);
  expect(await response.json()).toEqual({
    code: "unimplemented",
    message:
      `content-type ${JSON.stringify(contentType)} is not supported; supported: ${accepted.join(", ")}. ` +
      "JSON must be UTF-8. gRPC has its own port",
  });
});

test("R13: names a missing media type", async () => {
  const node = await startNode();
  const response = await fetch(node.http + PUBLISH, { method: "POST", body: new Uint8Array(2) });
  expect(response.status).toBe(415);
  expect(await response.json()).toMatchObject({
    message: expect.stringMatching(/^content-type is missing; supported: /) as string,
  });
});

test.each([
  [PUBLISH, "GET", "POST"],
  [PUBLISH, "PUT", "POST"],
  [STREAM, "GET", "POST"],
  [WATCH, "GET", "POST"],
  [LIST, "PUT", "GET, POST"],
  [LIST, "DELETE", "GET, POST"],
])("R13: %s refuses %s with 405, naming the allowed methods", async (path, method, allow) => {
  const node = await startNode();
  const response = await fetch(node.http + path, { method });
  expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
  const message = `method ${method} not allowed; allowed: ${allow}; GET is only for RPCs without side effects`;
  expect(await response.json()).toEqual({ code: "unimplemented", message });
});

test("R8: answers a stream of requests with 505, naming the gRPC port", async () => {
  const node = await startNode();
  const response = await post(node.http + STREAM, "application/connect+json");
  expect(response.status).toBe(505);
  expect(await response.json()).toEqual({
    code: "unimplemented",
    message: "client streaming requires HTTP/2: call the gRPC port instead",
  });
});
