import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { type CallHead, HeadReader } from "../../../src/rpc/grpc-http2/call-head.js";
import { serveMethods } from "../../../src/rpc/grpc-http2/served-method.js";
import { BROADCAST_ACTIONS } from "../../../src/rpc/services/publish/broadcast.js";

const unused = () => Promise.resolve({});
const implementation = { publish: unused, publishAsync: unused, publishStream: unused };

function read(headers: readonly (readonly [string, string])[]): CallHead {
  const methods = serveMethods({ service: BroadcastService, implementation, actions: BROADCAST_ACTIONS }, 1_024);
  const reader = new HeadReader(new Map(methods.map((method) => [method.path, method])), (cause) => {
    throw cause;
  });
  const all = [
    [":method", "POST"],
    [":path", "/websockets.v1.BroadcastService/Publish"],
    ["content-type", "application/grpc"],
    ...headers,
  ] as const;
  return reader.read(
    all.map(([name = "", value = ""]) => ({ name, value })),
    false,
  );
}

test("takes the first of several credentials, and joins the values of other headers", () => {
  const head = read([
    ["authorization", "Bearer first"],
    ["authorization", "Bearer second"],
    ["carillon-vhost", "/a"],
    ["carillon-vhost", "/b"],
  ]);
  expect(head).toMatchObject({ authorization: "Bearer first", vhost: "/a, /b" });
});

test.each([
  ["1H", 3_600_000],
  ["1500u", 1],
  ["99999999H", 2 ** 31 - 1],
])("reads the timeout %s", (timeout, milliseconds) => {
  expect(read([["grpc-timeout", timeout]])).toMatchObject({ timeout: milliseconds });
});

test("refuses two values of a header that has one", () => {
  const head = read([
    ["grpc-timeout", "1S"],
    ["grpc-timeout", "2S"],
  ]);
  expect(head).toMatchObject({ method: undefined, body: undefined });
});
