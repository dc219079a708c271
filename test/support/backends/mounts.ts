import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { BackendDirectory } from "../../../src/access/keys/backend.js";
import type { Clock } from "../../../src/core/ports.js";
import { CallAuthorizer } from "../../../src/rpc/call-authorizer.js";
import { connectMount } from "../../../src/rpc/connect/connect-mount.js";
import type { Keepalive } from "../../../src/rpc/grpc/grpc-mount-options.js";
import type { ServiceImplementations } from "../../../src/rpc/service.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";
import { ampleBudget, ampleLeases } from "../nodes/byte-budget.js";
import { createGrpcMount } from "../nodes/grpc-mount.js";

export interface TestMounts {
  /** HOST:PORT */
  readonly grpc: string;
  readonly http: string;
  /** Faults of the server. */
  readonly faults: readonly unknown[];
  /** Server-side sockets of the HTTP port. */
  readonly sockets: ReadonlySet<Socket>;
}

export interface TestMountsOptions {
  readonly services: ServiceImplementations;
  readonly directory: BackendDirectory;
  readonly clock?: Clock;
  /** Ping settings with which the gRPC port detects a failed peer. */
  readonly keepalive?: Keepalive;
  /** Milliseconds within which a request must arrive at the gRPC port. */
  readonly requestTimeout?: number;
  /** Milliseconds for which a caller of the gRPC port may leave its answer unread. */
  readonly answerTimeout?: number;
}

/** Starts both mounts on free ports, until the end of the test. */
export async function startMounts({
  clock = systemClock,
  directory,
  services,
  ...rest
}: TestMountsOptions): Promise<TestMounts> {
  const faults: unknown[] = [];
  const options = {
    services,
    authorizer: new CallAuthorizer(directory, clock),
    requestBytes: 4 * 1_024 * 1_024,
    onFault: (cause: unknown) => faults.push(cause),
  };
  const grpc = createGrpcMount({
    port: { address: { host: "127.0.0.1", port: 0 } },
    budget: ampleBudget(),
    ...options,
    ...rest,
  });
  cleanUp(() => grpc.close());
  cleanUp(() => grpc.terminate());
  const { port } = await grpc.listen();
  grpc.setServing(true);
  const server = createServer(connectMount({ ...options, openLease: ampleLeases() }).handler).listen(0, "127.0.0.1");
  cleanUp(() => new Promise((resolve) => server.close(resolve)));
  cleanUp(() => server.closeAllConnections());
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  await once(server, "listening");
  const http = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { grpc: `127.0.0.1:${port}`, http, faults, sockets };
}

export type TestHeaders = Readonly<Record<string, string>>;

/** Outcome of a call. Status codes are gRPC's. */
export interface TestAnswer<Answer = unknown> {
  readonly status: number;
  readonly message: string;
  /** Missing if the call was refused, so that a test that reads it fails. */
  readonly answer: Answer;
}

/** Stock client of one protocol, for any method. */
export interface TestCaller {
  readonly name: "grpc" | "connect" | "connect-json" | "grpc-web";
  call<Output extends DescMessage>(
    method: DescMethodUnary<DescMessage, Output>,
    request: object,
    headers?: TestHeaders,
  ): Promise<TestAnswer<MessageShape<Output>>>;
  /** Opens a stream of answers. It ends when the reader stops. */
  open(method: DescMethodServerStreaming, request: object, headers?: TestHeaders): AsyncGenerator<object>;
}

export function callersOf({ grpc, http }: Pick<TestMounts, "grpc" | "http">): TestCaller[] {
  const options = { baseUrl: http, httpVersion: "1.1" } as const;
  return [
    grpcCaller(grpc),
    connectCaller("connect", createConnectTransport({ ...options, useBinaryFormat: true })),
    connectCaller("connect-json", createConnectTransport({ ...options, useBinaryFormat: false })),
    connectCaller("grpc-web", createGrpcWebTransport(options)),
  ];
}

/** Returns the gRPC status code with which a stream ended; 0 for OK. */
export function statusOf(cause: unknown): { readonly status: number; readonly message: string } {
  if (cause instanceof ConnectError) return { status: cause.code, message: cause.rawMessage };
  const { code, details } = cause as ServiceError;
  if (typeof code !== "number") throw cause;
  return { status: code, message: details };
}

function grpcCaller(address: string): TestCaller {
  const client = new Client(address, credentials.createInsecure());
  cleanUp(() => client.close());
  return {
    name: "grpc",
    call: (method, request, headers = {}) =>
      new Promise((resolve) => {
        client.makeUnaryRequest(
          pathOf(method),
          (message: object) => Buffer.from(toBinary(method.input, message as never)),
          (bytes) => fromBinary(method.output, bytes),
          create(method.input, request as never),
          metadataOf(headers),
          (error, answer) => {
            resolve({ status: error?.code ?? 0, message: error?.details ?? "", answer: answer as never });
          },
        );
      }),
    async *open(method, request, headers = {}) {
      const call = client.makeServerStreamRequest(
        pathOf(method),
        (message: object) => Buffer.from(toBinary(method.input, message as never)),
        (bytes) => fromBinary(method.output, bytes),
        create(method.input, request as never),
        metadataOf(headers),
      );
      call.on("error", () => {
        // The reader receives the error, too.
      });
      try {
        for await (const answer of call) yield answer as object;
      } finally {
        call.cancel();
      }
    },
  };
}

function pathOf({ name, parent }: DescMethodUnary | DescMethodServerStreaming): string {
  return `/${parent.typeName}/${name}`;
}

function metadataOf(headers: TestHeaders): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

function connectCaller(name: TestCaller["name"], transport: Transport): TestCaller {
  return {
    name,
    call: async (method, request, headers = {}) => {
      try {
        const { message } = await transport.unary(method, undefined, undefined, headers, request as never);
        return { status: 0, message: "", answer: message };
      } catch (cause) {
        return { ...statusOf(cause), answer: undefined as never };
      }
    },
    async *open(method, request, headers = {}) {
      const controller = new AbortController();
      const requests = (async function* one() {
        yield request as never;
      })();
      try {
        const { message } = await transport.stream(method, controller.signal, undefined, headers, requests);
        yield* message as AsyncIterable<object>;
      } finally {
        controller.abort();
      }
    },
  };
}
