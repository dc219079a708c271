import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { create, fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { HookService } from "../../../gen/carillon/v1/hook_pb.js";
import { cleanUp } from "../../support/clean-up.js";
import { Queue } from "../../support/queue.js";
import { asIs } from "../../support/raw/peers.js";

/** Call received by the backend. The test decides the answer. */
export interface HookCall {
  readonly method: string;
  readonly request: object;
  readonly authorization: string | undefined;
  readonly traceparent: string | undefined;
  /** Answers with this message in its JSON form. */
  answer(message: JsonValue): void;
  /** Answers with an error. */
  fail(): void;
  /** Answers with malformed bytes, which depend on the protocol. */
  answerBytes(bytes: Uint8Array): void;
}

export interface Backend {
  readonly protocol: "grpc" | "connect-json";
  readonly url: string;
  readonly calls: Queue<HookCall>;
  /** Cancelled calls. */
  readonly cancelled: Queue<string>;
}

/** Backend on @grpc/grpc-js. The test decides its answers. */
export async function grpcBackend(): Promise<Backend> {
  const calls = new Queue<HookCall>();
  const cancelled = new Queue<string>();
  const server = new Server();
  const methods = HookService.methods;
  const definition = Object.fromEntries(
    methods.map(({ name, parent }) => [
      name,
      {
        path: `/${parent.typeName}/${name}`,
        requestStream: false,
        responseStream: false,
        requestDeserialize: asIs,
        requestSerialize: asIs,
        responseDeserialize: asIs,
        responseSerialize: asIs,
      },
    ]),
  );
  const handlers = Object.fromEntries(
    methods.map(({ input, name, output }) => [
      name,
      (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        call.on("cancelled", () => cancelled.push(name));
        calls.push({
          method: name,
          request: fromBinary(input, call.request),
          authorization: call.metadata.get("authorization")[0]?.toString(),
          traceparent: call.metadata.get("traceparent")[0]?.toString(),
          answer: (message) => callback(null, Buffer.from(toBinary(output, fromJson(output, message)))),
          answerBytes: (bytes) => callback(null, Buffer.from(bytes)),
          fail: () => callback({ code: 13, details: "the backend's secret" }),
        });
      },
    ]),
  );
  server.addService(definition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  cleanUp(() => server.forceShutdown());
  return { protocol: "grpc", url: `grpc://127.0.0.1:${port}`, calls, cancelled };
}

/** Backend on plain HTTP and JSON. */
export async function jsonBackend(): Promise<Backend> {
  const calls = new Queue<HookCall>();
  const cancelled = new Queue<string>();
  const server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy());
  });
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const name = request.url?.replace("/api/carillon.v1.HookService/", "") ?? "";
    const method = HookService.methods.find((one) => one.name === name);
    if (method === undefined) throw new Error(`unexpected request for ${request.url ?? ""}`);
    response.once("close", () => {
      if (!response.writableFinished) cancelled.push(name);
    });
    const reply = (status: number, bytes: string | Uint8Array): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(bytes);
    };
    calls.push({
      method: name,
      request: fromJson(method.input, JSON.parse(body) as JsonValue),
      authorization: request.headers.authorization,
      traceparent: request.headers["traceparent"]?.toString(),
      answer: (message) => reply(200, JSON.stringify(toJson(method.output, fromJson(method.output, message)))),
      answerBytes: (bytes) => reply(200, bytes),
      fail: () => reply(500, '{"code":"internal","message":"the backend\'s secret"}'),
    });
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(() => new Promise((resolve) => server.close(resolve)));
  cleanUp(() => server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { protocol: "connect-json", url: `http://127.0.0.1:${port}/api/`, calls, cancelled };
}

export const BACKENDS: readonly (readonly ["grpc" | "connect-json", () => Promise<Backend>])[] = [
  ["grpc", grpcBackend],
  ["connect-json", jsonBackend],
];

/** Returns the next call, which must be of this method. */
export async function nextHookCall(backend: Backend, method: string): Promise<HookCall> {
  const call = await backend.calls.next();
  expect(call.method).toBe(method);
  return call;
}

/** Allows everything from the start of the clean-up, because a stopping node waits until its backend knows which clients have left. */
export function allowAtEnd(backend: Backend): void {
  cleanUp(() => void allowAll(backend));
}

/** Allows everything from now on. */
export async function allowAll(backend: Backend): Promise<never> {
  for (;;) (await backend.calls.next()).answer({});
}

/** Encoded empty message. */
export const EMPTY = toBinary(HookService.method.onJoin.output, create(HookService.method.onJoin.output));
