import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { callersOf } from "../support/backends/mounts.js";
import { connect } from "../support/clients/native.js";
import { startNode } from "../support/nodes/node.js";

const WATCH = "/carillon.v1.ControlService/WatchConnections";

function enveloped(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

async function post(url: string, contentType: string, body: Uint8Array, signal?: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": contentType },
    body: new Uint8Array(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

test("R8: streams answers over HTTP/1.1 as they happen", async () => {
  const node = await startNode();
  const controller = new AbortController();
  const response = await post(
    node.http + WATCH,
    "application/connect+json",
    enveloped(Buffer.from("{}")),
    controller.signal,
  );
  expect(response.status).toBe(200);
  const reader = response.body?.getReader();
  const first = Buffer.from((await reader?.read())?.value ?? []);
  expect(first.subarray(5).toString()).toBe('{"change":"CONNECTION_CHANGE_CAUGHT_UP"}');
  await connect(`${node.ws}/ws`);
  const second = Buffer.from((await reader?.read())?.value ?? []);
  expect(second.subarray(5).toString()).toContain("CONNECTION_CHANGE_OPENED");
  controller.abort();
});

test("R8: refuses streams of requests over HTTP/1.1", async () => {
  const node = await startNode();
  for (const contentType of ["application/connect+proto", "application/grpc-web+proto"]) {
    const url = `${node.http}/websockets.v1.BroadcastService/PublishStream`;
    const { status } = await post(url, contentType, enveloped(Buffer.alloc(0)));
    expect(status).toBe(505);
  }
});

test("E8, E10: refuses malformed and oversized requests", async () => {
  const node = await startNode();
  const ends: [string, Uint8Array, string][] = [
    ["application/connect+json", enveloped(Buffer.from("{]")), "invalid_argument"],
    ["application/connect+json", enveloped(Buffer.of(0x22, 0xff, 0x22)), "invalid_argument"],
    ["application/connect+proto", enveloped(Buffer.of(0x0a, 5)), "invalid_argument"],
    ["application/connect+proto", Buffer.of(0, 0, 0), "invalid_argument"],
    [
      "application/connect+proto",
      Buffer.concat([enveloped(Buffer.alloc(0)), enveloped(Buffer.alloc(0))]),
      "invalid_argument",
    ],
    ["application/connect+proto", enveloped(Buffer.alloc(5 * 1_024 * 1_024)), "resource_exhausted"],
  ];
  for (const [contentType, body, code] of ends) {
    const response = await post(node.http + WATCH, contentType, body);
    const answer = Buffer.from(await response.arrayBuffer());
    expect([contentType, answer[0]]).toEqual([contentType, 2]);
    expect(JSON.parse(answer.subarray(5).toString())).toMatchObject({ error: { code } });
  }
});

test("O6: removes disconnected watchers, and serves new ones", async () => {
  const node = await startNode();
  await connect(`${node.ws}/ws`);
  for (const caller of callersOf(node)) {
    for (let round = 0; round < 20; round += 1) {
      const stream = caller.open(ControlService.method.watchConnections, {});
      const { value } = await stream.next();
      expect(value).toMatchObject({ change: 1 });
      await stream.return(undefined);
    }
  }
});
