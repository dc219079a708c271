import { once } from "node:events";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { BroadcastService, RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { HTTP2_LIMITS } from "../../../src/http2/http2-limits.js";
import { CallAuthorizer } from "../../../src/rpc/call-authorizer.js";
import type { GrpcMountOptions } from "../../../src/rpc/grpc/grpc-mount-options.js";
import { GrpcHttp2Mount } from "../../../src/rpc/grpc-http2/grpc-http2-mount.js";
import type { RpcCall } from "../../../src/rpc/service.js";
import { BROADCAST_ACTIONS, BroadcastImplementation } from "../../../src/rpc/services/publish/broadcast.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { withResolvers } from "../../../src/util/with-resolvers.js";
import { cleanUp } from "../../support/clean-up.js";
import { ampleBudget } from "../../support/nodes/byte-budget.js";
import { connectGrpc, framed, openCall, rawCall } from "../../support/raw/grpc.js";
import { everybody } from "../support/keys.js";
import { TestPublisher } from "../support/publisher.js";

const PUBLISH = "/websockets.v1.BroadcastService/Publish";
const PUBLISH_STREAM = "/websockets.v1.BroadcastService/PublishStream";

const OK = 0;
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;

/** Encodes a publish with a payload of this many bytes. */
function message(bytes: number): Uint8Array {
  return toBinary(
    RequestSchema,
    create(RequestSchema, { messages: [{ topics: ["a"], payload: new Uint8Array(bytes) }] }),
  );
}

interface TestPort {
  readonly session: ClientHttp2Session;
  readonly publisher: TestPublisher;
}

async function startPort(
  options: Partial<GrpcMountOptions> = {},
  methods: Record<string, unknown> = {},
): Promise<TestPort> {
  const publisher = new TestPublisher();
  const broadcast = new BroadcastImplementation(publisher.publisher, () => {});
  cleanUp(() => broadcast.stop());
  const implementation = Object.assign(broadcast, methods);
  const mount = new GrpcHttp2Mount({
    port: { address: { host: "127.0.0.1", port: 0 } },
    services: [{ service: BroadcastService, implementation, actions: BROADCAST_ACTIONS }],
    authorizer: new CallAuthorizer(everybody(), systemClock),
    requestBytes: 4 * 1_024 * 1_024,
    budget: ampleBudget(),
    onFault: (cause) => {
      throw cause;
    },
    ...options,
  });
  cleanUp(() => mount.close());
  cleanUp(() => mount.terminate());
  const { port } = await mount.listen();
  return { session: await connectGrpc(`127.0.0.1:${port}`), publisher };
}

/** Resolves when the server has read everything that was sent before. */
function untilRead(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.ping((error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

async function headersOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
  return headers;
}

describe("requests that are not gRPC", () => {
  test.each([
    ["415 to another content type", { ":method": "POST", "content-type": "application/json" }, { ":status": 415 }],
    ["415 to a missing content type", { ":method": "POST" }, { ":status": 415 }],
    [
      "405 to another method than POST",
      { ":method": "PUT", "content-type": "application/grpc" },
      { ":status": 405, allow: "POST" },
    ],
  ])("answers %s when the request has ended", async (_, headers, expected) => {
    const { session } = await startPort();
    const stream = session.request({ ":path": PUBLISH, ...headers });
    const answers: IncomingHttpHeaders[] = [];
    stream.on("response", (answer) => answers.push(answer));
    // Larger than the window, so that the server must discard it.
    stream.write(Buffer.alloc(2 * HTTP2_LIMITS.streamWindow));
    await untilRead(session);
    expect(answers).toEqual([]);
    stream.end();
    await once(stream.resume(), "close");
    expect(answers).toMatchObject([expected]);
    expect(stream.rstCode).toBe(0);
  });
});

test("refuses a call with too many headers, and keeps the connection", async () => {
  const { session } = await startPort();
  const many = Array.from({ length: HTTP2_LIMITS.fields }, (_, index) => [`x-${index}`, "y"] as const);
  expect(await rawCall(session, PUBLISH, framed(message(0)), Object.fromEntries(many))).toMatchObject({
    status: RESOURCE_EXHAUSTED,
    message: "the headers are too large",
  });
  expect(await rawCall(session, PUBLISH, framed(message(0)))).toMatchObject({ status: OK });
});

describe.each([
  ["Publish", PUBLISH],
  ["PublishStream", PUBLISH_STREAM],
])("%s", (_, path) => {
  test("reads a message that arrives byte by byte", async () => {
    const { publisher, session } = await startPort();
    const { ended, stream } = openCall(session, path);
    for (const byte of framed(message(1))) await new Promise((resolve) => stream.write(Buffer.of(byte), resolve));
    stream.end();
    expect(await ended).toMatchObject({ status: OK });
    expect(publisher.topics).toEqual(["/ a"]);
  });

  test("reads a message that is larger than the windows", async () => {
    const { publisher, session } = await startPort({ requestBytes: 4 * HTTP2_LIMITS.connectionWindow });
    const { ended, stream } = openCall(session, path);
    stream.end(framed(message(1_000_000)));
    expect(await ended).toMatchObject({ status: OK });
    expect(publisher.topics).toEqual(["/ a"]);
  });
});

/** Streaming method that reads no request. */
async function* stall(_requests: unknown, { signal }: RpcCall): AsyncGenerator<never> {
  await once(signal, "abort");
  yield* [];
}

test("answers a call while other calls of the connection do not read their requests", async () => {
  const { session } = await startPort({}, { publishStream: stall });
  const { connectionWindow, streamWindow } = HTTP2_LIMITS;
  const piece = framed(message(connectionWindow)).subarray(0, streamWindow);
  for (let sent = 0; sent < connectionWindow; sent += streamWindow) {
    const { stream } = openCall(session, PUBLISH_STREAM);
    await new Promise((resolve) => stream.write(piece, resolve));
  }
  expect(await rawCall(session, PUBLISH, framed(message(streamWindow / 2)))).toMatchObject({ status: OK });
});

test("aborts a method when its caller cancels the call", async () => {
  const begun = withResolvers<AbortSignal>();
  const publish = async (_request: unknown, { signal }: RpcCall): Promise<object> => {
    begun.resolve(signal);
    await once(signal, "abort");
    return {};
  };
  const { session } = await startPort({}, { publish });
  const { stream } = openCall(session, PUBLISH);
  stream.end(framed(message(0)));
  const signal = await begun.promise;
  stream.close(8);
  await once(signal, "abort");
  expect(signal.reason).toMatchObject({ code: "cancelled", message: "the caller has disconnected" });
});

/** Waits until the call is over, and tells why. */
async function untilAborted(signal: AbortSignal, tell: (reason: unknown) => void): Promise<void> {
  await once(signal, "abort");
  tell(signal.reason);
}

test("ends a call at its deadline, and aborts its method", async () => {
  const reason = withResolvers<unknown>();
  const publish = async (_request: unknown, { signal }: RpcCall): Promise<object> => {
    await untilAborted(signal, reason.resolve);
    return {};
  };
  const { session } = await startPort({}, { publish });
  expect(await rawCall(session, PUBLISH, framed(message(0)), { "grpc-timeout": "50m" })).toMatchObject({
    status: DEADLINE_EXCEEDED,
    message: "Deadline exceeded",
  });
  expect(await reason.promise).toMatchObject({ code: "cancelled" });
});

test("ends a stream at its deadline, after the answers sent before", async () => {
  const reason = withResolvers<unknown>();
  async function* publishStream(_requests: unknown, { signal }: RpcCall): AsyncGenerator<object> {
    yield { ok: true };
    await untilAborted(signal, reason.resolve);
  }
  const { session } = await startPort({}, { publishStream });
  const { ended, stream } = openCall(session, PUBLISH_STREAM, { "grpc-timeout": "50m" });
  const answers: Buffer[] = [];
  stream.on("data", (bytes: Buffer) => answers.push(bytes));
  expect(await ended).toMatchObject({ status: DEADLINE_EXCEEDED, message: "Deadline exceeded" });
  expect(Buffer.concat(answers)).toEqual(framed(Buffer.of(8, 1)));
  expect(await reason.promise).toMatchObject({ code: "cancelled" });
});

test("ends a connection at its maximum age, after its calls", async () => {
  const { session } = await startPort({ maxAge: 50 });
  const { ended, stream } = openCall(session, PUBLISH_STREAM);
  stream.write(framed(message(0)));
  await once(session, "goaway");
  stream.end(framed(message(0)));
  expect(await ended).toMatchObject({ status: OK });
  await once(session, "close");
});

test("tells the accepted compressions in refusals and in answers", async () => {
  const { session } = await startPort();
  const { stream } = openCall(session, PUBLISH);
  stream.end(framed(message(0)));
  expect(await headersOf(stream)).toMatchObject({ "grpc-accept-encoding": "identity,deflate,gzip" });
  const { headers } = await rawCall(session, "/unknown", Buffer.alloc(0));
  expect(headers).toMatchObject({ "grpc-accept-encoding": "identity,deflate,gzip" });
});
