import { execFile } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { create, createFileRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { CallRequestSchema } from "../../../gen/carillon/v1/call_pb.js";
import { CarillonError } from "../../../src/errors.js";
import { type ErrorDetail, errorDetails } from "../../../src/rpc/error-details.js";
import { grpcurl, ifGrpcurl } from "../../support/backends/grpcurl.js";
import { PROTO_FOLDER } from "../../support/backends/peers.js";
import { cleanUp } from "../../support/clean-up.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

interface Answer {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
  readonly errorResponse?: { readonly errorCode: number; readonly errorMessage: string };
  readonly allExtensionNumbersResponse?: { readonly baseTypeName: string };
}

const SERVICES = [
  "carillon.v1.CallService",
  "carillon.v1.ControlService",
  "carillon.v1.HistoryService",
  "carillon.v1.MetricsService",
  "carillon.v1.PresenceService",
  "carillon.v1.SubscribeService",
  "carillon.v1.TokenService",
  "carillon.v1.WorkerService",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "websockets.v1.BroadcastService",
  "websockets.v1beta.BroadcastService",
];

function reflect(node: TestNode, version: "v1" | "v1alpha"): ClientDuplexStream<object, Answer> {
  const loaded = loadPackageDefinition(
    loadSync(join(PROTO_FOLDER, "grpc/reflection", version, "reflection.proto")),
  ) as unknown as {
    grpc: { reflection: Record<string, { ServerReflection: ServiceClientConstructor }> };
  };
  const Client = loaded.grpc.reflection[version]?.ServerReflection;
  if (Client === undefined) throw new Error(`no reflection ${version}`);
  const client = new Client(node.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const call = client["ServerReflectionInfo"]?.() as ClientDuplexStream<object, Answer>;
  call.on("error", () => {
    // The pending read receives the error, too.
  });
  cleanUp(() => call.cancel());
  return call;
}

async function ask(call: ClientDuplexStream<object, Answer>, request: object): Promise<Answer> {
  call.write(request);
  const [answer] = (await once(call, "data")) as [Answer];
  return answer;
}

function filesIn({ fileDescriptorResponse }: Answer): FileDescriptorProto[] {
  const files = fileDescriptorResponse?.fileDescriptorProto ?? [];
  return files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

/** Fails if an import or a type is missing. */
function registryOf(file: FileDescriptorProto[]) {
  return createFileRegistry(create(FileDescriptorSetSchema, { file: file.toReversed() }));
}

describe.each(["v1", "v1alpha"] as const)("reflection %s", (version) => {
  test("R8: lists the services, and returns each one's file with all its imports", async () => {
    const node = await startNode();
    const call = reflect(node, version);
    const { listServicesResponse } = await ask(call, { listServices: "" });
    const names = listServicesResponse?.service.map(({ name }) => name) ?? [];
    expect(names.toSorted()).toEqual(SERVICES);
    for (const name of names) {
      const files = filesIn(await ask(call, { fileContainingSymbol: name }));
      const registry = registryOf(files);
      const service = registry.getService(name);
      expect(service?.methods.length).toBeGreaterThan(0);
      expect(files[0]?.name).toBe(`${service?.file.name}.proto`);
      for (const { proto } of registry.files) {
        expect(filesIn(await ask(call, { fileByFilename: proto.name }))[0]).toEqual(proto);
      }
    }
  });

  test("R8: finds a file by every symbol in it", async () => {
    const node = await startNode();
    const call = reflect(node, version);
    for (const symbol of [
      "websockets.v1.BroadcastService.Publish",
      "websockets.v1.Message",
      "websockets.v1.Message.text",
      "websockets.v1.Stage",
      "websockets.v1.STAGE_FLUSHED",
      "grpc.health.v1.HealthCheckResponse.ServingStatus",
      "grpc.health.v1.HealthCheckResponse.NOT_SERVING",
      "carillon.v1.CallService",
      "google.protobuf.Timestamp.seconds",
      "google.rpc.BadRequest.FieldViolation.field",
      "google.rpc.RetryInfo",
    ]) {
      const [first] = filesIn(await ask(call, { fileContainingSymbol: symbol }));
      expect([symbol, symbol.startsWith(`${first?.package}.`)]).toEqual([symbol, true]);
    }
    const file = filesIn(await ask(call, { fileByFilename: "websockets/v1/websockets.proto" }))[0];
    const { field } = file?.messageType.find(({ name }) => name === "Message") ?? {};
    expect(field?.map(({ name, number }) => `${name}=${number}`)).toEqual([
      "command=1",
      "topics=2",
      "payload=3",
      "event=10",
      "id=11",
      "broker=12",
      "text=13",
    ]);
    expect(file?.options?.goPackage).toMatch(/^github\.com\/.+\/websockets\/v1;websocketsv1$/);
  });

  test("R8: answers an unknown name with an error, and continues the stream", async () => {
    const node = await startNode();
    const call = reflect(node, version);
    for (const request of [
      { fileContainingSymbol: "nope.Nope" },
      { fileByFilename: "nope.proto" },
      { allExtensionNumbersOfType: "nope.Nope" },
      { fileContainingExtension: { containingType: "websockets.v1.Message", extensionNumber: 100 } },
    ]) {
      const { errorResponse } = await ask(call, request);
      expect(errorResponse).toMatchObject({ errorCode: 5, errorMessage: expect.stringMatching(/./) });
    }
    expect(await ask(call, {})).toMatchObject({ errorResponse: { errorCode: 3 } });
    const type = "websockets.v1.Message";
    expect(await ask(call, { allExtensionNumbersOfType: type })).toMatchObject({
      allExtensionNumbersResponse: { baseTypeName: type },
    });
  });
});

ifGrpcurl("with grpcurl", () => {
  test("R8: lets grpcurl list, describe and call every service without proto files", async () => {
    const node = await startNode();
    expect((await grpcurl(node.grpc, "list")).trim().split("\n")).toEqual(SERVICES);
    for (const name of SERVICES) expect(await grpcurl(node.grpc, "describe", name)).toContain("service");
    const request = '{"messages":[{"topics":["a"],"text":"hi"}]}';
    for (const service of ["websockets.v1", "websockets.v1beta"]) {
      const answer = await grpcurl("-d", request, node.grpc, `${service}.BroadcastService/Publish`);
      expect(JSON.parse(answer)).toMatchObject({ ok: true, receipts: [{ stage: "STAGE_FLUSHED" }] });
    }
    expect(JSON.parse(await grpcurl(node.grpc, "grpc.health.v1.Health/Check"))).toEqual({ status: "SERVING" });
    const listed = await grpcurl(node.grpc, "carillon.v1.ControlService/ListConnections");
    expect(JSON.parse(listed)).toEqual({});
  });

  test("R16: lets grpcurl show the field and the delay of an error", async () => {
    const node = await startNode();
    const publish = grpcurl(
      "-d",
      '{"messages":[{"topics":["#"]}]}',
      node.grpc,
      "websockets.v1.BroadcastService/Publish",
    );
    await expect(publish).rejects.toThrow('"field": "messages[0].topics[0]"');
    const call = grpcurl("-d", '{"event":"nobody"}', node.grpc, "carillon.v1.CallService/Call");
    await expect(call).rejects.toThrow('"retryDelay": "1s"');
  });
});

test("R8, R16: describes error details as they are encoded", async () => {
  const node = await startNode();
  const registry = registryOf(
    filesIn(await ask(reflect(node, "v1"), { fileContainingSymbol: "google.rpc.BadRequest" })),
  );
  const decode = (name: string, { type, value }: ErrorDetail) => {
    const message = registry.getMessage(name);
    if (message === undefined) throw new Error(`${name} is not described`);
    expect(type).toBe(name);
    return toJson(message, fromBinary(message, value));
  };
  const [retry] = errorDetails(new CarillonError("unavailable", "away", { retryDelay: 1_500 }), undefined);
  const expired = new CarillonError("failed_precondition", "expired: a message after the position was removed");
  const [info] = errorDetails(expired, undefined);
  const [bad] = errorDetails(new CarillonError("invalid_argument", "event is bad"), CallRequestSchema);
  if (retry === undefined || bad === undefined || info === undefined) throw new Error("no error details");
  expect(decode("google.rpc.RetryInfo", retry)).toEqual({ retryDelay: "1.500s" });
  expect(decode("google.rpc.ErrorInfo", info)).toEqual({ reason: "EXPIRED", domain: "carillon" });
  expect(decode("google.rpc.BadRequest", bad)).toEqual({
    fieldViolations: [{ field: "event", description: "is bad" }],
  });
});

test("R8: lets buf curl call a method without proto files", async () => {
  const node = await startNode();
  const args = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", '{"event":"nobody"}'];
  const url = `http://${node.grpc}/carillon.v1.CallService/Call`;
  const error = await new Promise<string>((resolve) => {
    execFile(join(PROTO_FOLDER, "../node_modules/.bin/buf"), [...args, url], (_, _stdout, stderr) => resolve(stderr));
  });
  expect(JSON.parse(error)).toMatchObject({ code: "unavailable" });
});

test("L7: stops despite an open reflection stream", async () => {
  const node = await startNode({ stop_timeout: "1m" });
  const call = reflect(node, "v1");
  await ask(call, { listServices: "" });
  const failed = once(call, "error");
  await node.carillon.stop();
  expect(await failed).toMatchObject([{ code: 14, details: "this node is stopping" }]);
});
