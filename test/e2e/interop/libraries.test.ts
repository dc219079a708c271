import { create, toBinary } from "@bufbuild/protobuf";
import { SubscribeService } from "../../../gen/carillon/v1/subscribe_pb.js";
import { Health, HealthCheckResponse_ServingStatus } from "../../../gen/grpc/health/v1/health_pb.js";
import { BroadcastService, RequestSchema, Stage } from "../../../gen/websockets/v1/websockets_pb.js";
import { hashKey } from "../../../src/access/keys/key-secret.js";
import type { RpcCall } from "../../../src/rpc/service.js";
import { SUBSCRIBE_ACTIONS } from "../../../src/rpc/services/subscribe/subscribe.js";
import { bearer, everybody, secretOf } from "../../rpc/support/keys.js";
import {
  INTEROP_LIBRARIES,
  InteropClient,
  type InteropLibrary,
  interopMissing,
  SUCCESS,
} from "../../support/backends/interop-client.js";
import { startMounts } from "../../support/backends/mounts.js";
import { connect } from "../../support/clients/native.js";
import { TestAuthority } from "../../support/net/certificates.js";
import { startTcpProxy } from "../../support/net/tcp-proxy.js";
import { grpcServer } from "../../support/nodes/grpc-mount.js";
import { startNode } from "../../support/nodes/node.js";
import { Queue } from "../../support/queue.js";

/** Calls the gRPC port with published libraries of other languages. */

const { publish, publishStream } = BroadcastService.method;
const { subscribe } = SubscribeService.method;

const HELLO = { messages: [{ topics: ["hello"], text: "Hello" }] };

/** Default of `limits.request`. */
const MAX_REQUEST = 4 * 1_024 * 1_024;

/** Default of `limits.payload`. */
const MAX_PAYLOAD = 1_024 * 1_024;

const KEY = { name: "publisher", hash: `sha256:${hashKey(secretOf("publisher"))}`, actions: ["publish" as const] };

const METADATA = {
  ...bearer("publisher"),
  "carillon-test-bin": Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  "carillon-test": "x".repeat(7_000),
};

/** Fastest pings of each library, in milliseconds, and how many of them the test awaits. Those of 10 s are too slow for a test. */
const PINGS: Readonly<Record<InteropLibrary, readonly [interval: number, count: number]>> = {
  "C core": [1_000, 3],
  "grpc-go": [10_000, 0],
  "grpc-java": [10_000, 0],
  tonic: [20, 100],
};

/** Header of a ping, up to the stream's number. Source: RFC 9113, section 6.7. */
const PING = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]);

/** Creates a request that has exactly this size, of at most 5 MiB. */
function requestOf(size: number) {
  const messages = [0, 1, 2, 3].map(() => ({ topics: ["hello"], payload: Buffer.alloc(MAX_PAYLOAD) }));
  const last = { topics: ["hello"], payload: Buffer.alloc(0), id: "" };
  const request = { messages: [...messages.slice(1), last] };
  const missing = size - toBinary(RequestSchema, create(RequestSchema, request)).length;
  // The tag of the payload, and two lengths of more than one byte.
  last.payload = Buffer.alloc(missing - 9);
  const { length } = toBinary(RequestSchema, create(RequestSchema, request));
  last.id = "x".repeat(size - length - 2);
  return request;
}

/** Serves subscriptions that send a message and then wait. @returns the port, and why the server saw them end */
async function startSilentSubscriptions() {
  const ended = new Queue<string>();
  const implementation = {
    async *subscribe(_request: object, { signal }: RpcCall) {
      yield { subscribed: {} };
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve());
      });
      ended.push("ended");
    },
  };
  const service = { service: SubscribeService, implementation, actions: SUBSCRIBE_ACTIONS };
  const { grpc } = await startMounts({ directory: everybody(), services: [service] });
  return { grpc, ended };
}

for (const library of INTEROP_LIBRARIES) {
  const missing = interopMissing(library);
  const group = missing === undefined ? describe : describe.skip;

  group(`${library}${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
    test("R1: answers unary calls, one by one and more than a connection may have at a time", async () => {
      const node = await startNode();
      const client = new InteropClient(library, node.grpc);
      const { answer, ...status } = await client.call(publish, HELLO);
      expect(status).toEqual(SUCCESS);
      expect(answer?.receipts).toMatchObject([{ stage: Stage.FLUSHED }]);
      expect(await client.repeat(publish, HELLO, 200, 1)).toEqual({ succeeded: 200, failure: SUCCESS });
      expect(await client.repeat(publish, HELLO, 2_000, 300)).toEqual({ succeeded: 2_000, failure: SUCCESS });
    });

    test("R6: answers the requests of a stream in order, more than its windows hold", async () => {
      const node = await startNode();
      const stream = new InteropClient(library, node.grpc).open(publishStream);
      const payload = Buffer.alloc(MAX_PAYLOAD / 4);
      for (let id = 0; id < 100; id += 1) {
        stream.send({ messages: [{ topics: ["hello"], id: `small-${id}` }] });
        stream.send({ messages: [{ topics: ["hello"], id: `large-${id}`, payload }] });
      }
      stream.end();
      const ids = (await stream.rest()).map(({ receipts }) => receipts[0]?.id);
      expect(ids).toEqual(Array.from({ length: 200 }, (_, n) => `${n % 2 === 0 ? "small" : "large"}-${n >> 1}`));
      expect(await stream.ended).toEqual(SUCCESS);
    });

    test("sends the messages of a subscription, larger than its windows", async () => {
      const node = await startNode();
      const client = new InteropClient(library, node.grpc);
      const stream = client.open(subscribe);
      stream.send({ topics: ["hello"] });
      stream.end();
      expect(await stream.next()).toMatchObject({ subscribed: {}, messages: [] });
      for (const size of [0, 1, 16_384, 65_535, 65_536, MAX_PAYLOAD]) {
        const payload = Buffer.alloc(size, "x");
        expect(await client.call(publish, { messages: [{ topics: ["hello"], payload }] })).toMatchObject(SUCCESS);
        const [message] = (await stream.next())?.messages ?? [];
        expect(Buffer.compare(message?.payload ?? Buffer.alloc(9), payload)).toBe(0);
      }
      stream.cancel();
      expect(await stream.ended).toMatchObject({ status: 1 });
    });

    test("ends a call when its caller cancels it or its deadline passes, and keeps the connection", async () => {
      const { ended, grpc } = await startSilentSubscriptions();
      const client = new InteropClient(library, grpc);
      const cancelled = client.open(subscribe);
      cancelled.send({});
      cancelled.end();
      expect(await cancelled.next()).toMatchObject({ subscribed: {} });
      cancelled.cancel();
      expect(await cancelled.ended).toMatchObject({ status: 1 });
      await ended.next();

      const late = client.open(subscribe, { deadline: 1_000 });
      late.send({});
      late.end();
      expect(await late.next()).toMatchObject({ subscribed: {} });
      // tonic takes the server's status when it comes first, else it has one of its own.
      expect([1, 4]).toContain((await late.ended).status);
      await ended.next();

      const { answer } = await client.call(Health.method.check, {});
      expect(answer?.status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    });

    test("R5: accepts a request of exactly 4 MiB, and refuses a larger one", async () => {
      const node = await startNode();
      const client = new InteropClient(library, node.grpc);
      for (const compression of [undefined, "gzip"] as const) {
        const options = compression === undefined ? {} : { compression };
        expect(await client.call(publish, requestOf(MAX_REQUEST), options)).toMatchObject(SUCCESS);
        expect(await client.call(publish, requestOf(MAX_REQUEST + 1), options)).toMatchObject({ status: 8 });
        expect(await client.call(publish, HELLO)).toMatchObject(SUCCESS);
      }
    });

    test("inflates compressed requests, of single calls and of streams", async () => {
      const node = await startNode();
      const listener = await connect(`${node.ws}/ws`);
      await listener.join("hello");
      const client = new InteropClient(library, node.grpc);
      const text = "Hello ".repeat(1_000);
      const request = { messages: [{ topics: ["hello"], text }] };
      // These libraries have no deflate.
      const deflate = library === "grpc-go" || library === "grpc-java" ? [] : (["deflate"] as const);
      for (const compression of ["gzip" as const, ...deflate]) {
        expect(await client.call(publish, request, { compression })).toMatchObject(SUCCESS);
        expect(await listener.next()).toMatchObject({ payload: text });
        const stream = client.open(publishStream, { compression });
        stream.send(request);
        stream.send(request);
        stream.end();
        expect(await stream.rest()).toHaveLength(2);
        expect(await stream.ended).toEqual(SUCCESS);
        for (let count = 0; count < 2; count += 1) expect(await listener.next()).toMatchObject({ payload: text });
      }
    });

    test("reads metadata, also binary and long metadata", async () => {
      const keys = [
        { name: "publisher", hash: `sha256:${hashKey(secretOf("publisher"))}`, actions: ["publish" as const] },
      ];
      const node = await startNode({ vhosts: { "/": { keys } } });
      const client = new InteropClient(library, node.grpc);
      expect(await client.call(publish, HELLO)).toMatchObject({ status: 16 });
      expect(await client.call(publish, HELLO, { metadata: METADATA })).toMatchObject(SUCCESS);
      // The same fields come from the table of the connection.
      const result = await client.repeat(publish, HELLO, 100, 10, { metadata: METADATA });
      expect(result).toEqual({ succeeded: 100, failure: SUCCESS });
    });

    // The server of @grpc/grpc-js ends the connection then.
    const ownServer = grpcServer === "native" ? describe : describe.skip;
    ownServer("too large metadata", () => {
      test("fails the call, and keeps the connection", async () => {
        const { grpc } = await startNode({ vhosts: { "/": { keys: [KEY] } } });
        const client = new InteropClient(library, grpc);
        const tooLarge = { ...METADATA, "carillon-test": "x".repeat(100_000) };
        for (let count = 0; count < 3; count += 1) {
          expect((await client.call(publish, HELLO, { metadata: tooLarge })).status).not.toBe(0);
          expect(await client.call(publish, HELLO, { metadata: METADATA })).toMatchObject(SUCCESS);
        }
      });
    });

    test("reports errors with text and details, and unknown methods", async () => {
      const node = await startNode();
      const client = new InteropClient(library, node.grpc);
      const invalid = { messages: [{ topics: ["no space"] }] };
      const refusal = {
        status: 3,
        message: "messages[0].topics[0] contains whitespace or a control character",
        detail: { type: "google.rpc.BadRequest", field: "messages[0].topics[0]" },
      };
      expect(await client.call(publish, invalid)).toMatchObject(refusal);
      const stream = client.open(publishStream);
      stream.send(HELLO);
      stream.send(invalid);
      expect(await stream.rest()).toHaveLength(1);
      expect(await stream.ended).toMatchObject(refusal);
      const unknownBroker = { messages: [{ topics: ["hello"], broker: "Glück % 🔔" }] };
      expect((await client.call(publish, unknownBroker)).message).toContain("Glück % 🔔");
      expect(await client.call({ ...publish, name: "Unknown" }, HELLO)).toMatchObject({ status: 12 });
      const elsewhere = { ...publish, parent: { typeName: "unknown.Service" } };
      expect(await client.call(elsewhere, HELLO)).toMatchObject({ status: 12 });
      expect(await client.call(publish, HELLO)).toMatchObject(SUCCESS);
    });

    test("serves TLS, and reads the client's certificate", async () => {
      const authority = await TestAuthority.create();
      const server = await authority.issue("localhost", "127.0.0.1");
      const node = await startNode({
        tls: { cert_file: server.certFile, key_file: server.keyFile },
        client_certificates: { ca_file: authority.caFile, required: true },
      });
      const { caFile } = authority;
      const identity = await authority.issueTo("CN=worker");
      const client = new InteropClient(library, node.grpc, { caFile, identity });
      expect(await client.repeat(publish, HELLO, 100, 10)).toEqual({ succeeded: 100, failure: SUCCESS });
      expect((await new InteropClient(library, node.grpc, { caFile }).call(publish, HELLO)).status).not.toBe(0);
    });

    test("ends streams when the node stops, and answers calls when another node has its port", async () => {
      const node = await startNode();
      const client = new InteropClient(library, node.grpc);
      const stream = client.open(subscribe);
      stream.send({ topics: ["hello"] });
      stream.end();
      await stream.next();
      await node.carillon.stop();
      expect(await stream.ended).toMatchObject({ status: 14, message: "this node is stopping" });
      await startNode({ grpc: node.grpc });
      for (let status = 14; status !== 0; ) {
        ({ status } = await client.call(publish, HELLO));
        expect([0, 14]).toContain(status);
      }
    });

    const [interval, count] = PINGS[library];
    const pings = count > 0 ? describe : describe.skip;
    pings(`pings every ${interval} ms, the fastest of the library`, () => {
      test("accepts them", async () => {
        const node = await startNode();
        const sent = new Queue<Buffer>();
        const proxy = await startTcpProxy(Number(node.grpc.split(":")[1]), (socket, server) => {
          socket.on("data", (bytes: Buffer) => {
            if (bytes.includes(PING)) sent.push(bytes);
          });
          socket.pipe(server).pipe(socket);
        });
        const client = new InteropClient(library, `127.0.0.1:${proxy.port}`, { ping: interval });
        const stream = client.open(subscribe);
        stream.send({ topics: ["hello"] });
        stream.end();
        await stream.next();
        for (let seen = 0; seen < count; seen += 1) await sent.next();
        expect(await client.call(publish, HELLO)).toMatchObject(SUCCESS);
        expect(await stream.next()).toMatchObject({ messages: [{ topic: "hello" }] });
      });
    });
  });
}
