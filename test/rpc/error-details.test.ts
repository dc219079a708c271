import { create, type DescMethodUnary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { CallService } from "../../gen/carillon/v1/call_pb.js";
import { BroadcastService } from "../../gen/websockets/v1/websockets_pb.js";
import { CarillonError } from "../../src/errors.js";
import { BROADCAST_ACTIONS } from "../../src/rpc/services/publish/broadcast.js";
import { detailOf, detailOfStatus, type TestDetail } from "../support/backends/error-details.js";
import { startMounts } from "../support/backends/mounts.js";
import { startNode } from "../support/nodes/node.js";
import { connectGrpc, framed, type RawStatus, rawCall } from "../support/raw/grpc.js";
import { everybody } from "./support/keys.js";
import { startWorkNode } from "./support/work-node.js";
import { startWorker } from "./support/work-stream.js";

interface Ports {
  readonly grpc: string;
  readonly http: string;
}

/** Maximum number of header bytes that common gRPC clients accept. */
const METADATA = 8_192;

/** Size by RFC 9113 §6.5.2: each header counts 32 bytes in addition to its name and value. */
function headerBytes({ headers }: RawStatus): number {
  return Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + String(value).length + 32, 0);
}

async function callGrpc({ grpc }: Ports, method: DescMethodUnary, request: object): Promise<RawStatus> {
  const session = await connectGrpc(grpc);
  const body = framed(toBinary(method.input, create(method.input, request as never)));
  return rawCall(session, pathOf(method), body);
}

/** Details that a caller receives over gRPC, Connect and gRPC-Web. */
async function detailsOf(ports: Ports, method: DescMethodUnary, request: object): Promise<(TestDetail | undefined)[]> {
  const { headers, message } = await callGrpc(ports, method, request);
  const bin = headers["grpc-status-details-bin"];
  const byGrpc = bin === undefined ? undefined : detailOfStatus(Buffer.from(String(bin), "base64"));
  // google.rpc.Status repeats the text.
  expect(byGrpc?.message ?? message).toBe(message);
  return [byGrpc?.detail, await connectDetail(ports, method, request), await grpcWebDetail(ports, method, request)];
}

function pathOf({ name, parent }: DescMethodUnary): string {
  return `/${parent.typeName}/${name}`;
}

async function connectDetail({ http }: Ports, method: DescMethodUnary, request: object) {
  const response = await fetch(http + pathOf(method), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: toJsonString(method.input, create(method.input, request as never)),
  });
  const { details = [] } = (await response.json()) as { details?: { type: string; value: string }[] };
  const [detail] = details;
  return detail && detailOf(detail.type, Buffer.from(detail.value, "base64"));
}

async function grpcWebDetail({ http }: Ports, method: DescMethodUnary, request: object) {
  const response = await fetch(http + pathOf(method), {
    method: "POST",
    headers: { "content-type": "application/grpc-web+proto" },
    body: new Uint8Array(framed(toBinary(method.input, create(method.input, request as never)))),
  });
  const trailers = response.headers.get("grpc-status-details-bin") ?? (await response.text());
  const [bin] = /[\w+/]{20,}={0,2}/.exec(trailers.replace(/^.*grpc-status-details-bin: */s, "")) ?? [];
  return bin === undefined ? undefined : detailOfStatus(Buffer.from(bin, "base64")).detail;
}

const { publish } = BroadcastService.method;

test("R16: INVALID_ARGUMENT names the field in a BadRequest", async () => {
  const node = await startNode();
  const cases: readonly (readonly [DescMethodUnary, object, string, string])[] = [
    [
      publish,
      { messages: [{ topics: ["a", "@b"] }] },
      "messages[0].topics[1]",
      "begins with a reserved character (@, # or $)",
    ],
    [publish, { messages: [{ topics: ["a"] }, {}] }, "messages[1].topics", "at least one is required"],
    [publish, { messages: [{ topics: ["a"], event: " x" }] }, "messages[0].event", "begins or ends with whitespace"],
    [CallService.method.call, { event: "" }, "event", expect.any(String) as string],
  ];
  for (const [method, request, field, description] of cases) {
    const detail = { type: "google.rpc.BadRequest", field, description };
    expect(await detailsOf(node, method, request)).toEqual([detail, detail, detail]);
  }
  // An error that names no field has no field violation.
  expect(await detailsOf(node, publish, { messages: [{ topics: ["a"], broker: "x" }] })).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("R16: sends a retry delay with UNAVAILABLE and RESOURCE_EXHAUSTED, unless retrying never helps", async () => {
  const errors = [
    [new CarillonError("unavailable", "away"), 1],
    [new CarillonError("resource_exhausted", "behind", { retryDelay: 2_500 }), 2.5],
    [new CarillonError("resource_exhausted", "too large", { retryDelay: Number.POSITIVE_INFINITY }), undefined],
    [new CarillonError("not_found", "none"), undefined],
  ] as const;
  for (const [error, seconds] of errors) {
    const fail = () => Promise.reject(error);
    const implementation = { publish: fail, publishAsync: fail, publishStream: fail };
    const service = { service: BroadcastService, implementation, actions: BROADCAST_ACTIONS };
    const mounts = await startMounts({ services: [service], directory: everybody() });
    const detail = seconds && { type: "google.rpc.RetryInfo", seconds };
    expect(await detailsOf(mounts, publish, { messages: [] })).toEqual([detail, detail, detail]);
    const { headers } = await fetch(mounts.http + pathOf(publish), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(headers.get("retry-after")).toBe(seconds === undefined ? null : String(Math.ceil(seconds)));
  }
});

describe("R17: the status arrives within 8 KiB of headers, whatever the text", () => {
  test.each([
    ["1,024 CJK characters", "語".repeat(1_024), `${"語".repeat(341)}…`],
    ["as much ASCII", "x".repeat(1_024), "x".repeat(1_024)],
    ["ASCII that gRPC percent-encodes", '"'.repeat(2_000), expect.stringMatching(/^"{1000,1024}…$/) as string],
    ["emoji", "😀".repeat(1_024), `${"😀".repeat(256)}…`],
  ])("%s of a worker's Fail", async (_, message, expected) => {
    const { grpc, http } = await startWorkNode();
    const worker = await startWorker(grpc, { events: ["*"] });
    for (const code of ["unavailable", "invalid_argument", "internal"]) {
      const answered = callGrpc({ grpc, http }, CallService.method.call, { event: "e" });
      const { id: taskId } = await worker.task();
      worker.say({ case: "fail", value: { taskId, code, message } });
      const answer = await answered;
      expect(answer.message).toEqual(expected);
      expect(headerBytes(answer)).toBeLessThan(METADATA);
    }
  });

  test("a long field with a long description", async () => {
    const node = await startNode();
    const request = { messages: [{ topics: ["a"], command: "語".repeat(20_000) }] };
    const answer = await callGrpc(node, publish, request);
    expect(answer.status).toBe(3);
    expect(answer.headers["grpc-status-details-bin"]).toBeDefined();
    expect(headerBytes(answer)).toBeLessThan(METADATA);
  });

  test("a quoted header", async () => {
    const node = await startNode();
    const session = await connectGrpc(node.grpc);
    for (const name of ["grpc-timeout", "grpc-encoding"]) {
      const answer = await rawCall(session, pathOf(publish), framed(Buffer.alloc(0)), { [name]: "%".repeat(20_000) });
      expect([3, 12]).toContain(answer.status);
      expect(headerBytes(answer)).toBeLessThan(METADATA);
    }
  });
});
