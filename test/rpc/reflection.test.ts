import { once } from "node:events";
import { dirname, join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import {
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { cleanUp } from "../support/clean-up.js";
import { startNode, type TestNode } from "../support/node.js";

interface Answer {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
}

const protos = join(dirname(require.resolve("@grpc/reflection/package.json")), "build/proto/grpc/reflection");

function reflect(node: TestNode, version: "v1" | "v1alpha"): ClientDuplexStream<object, Answer> {
  const loaded = loadPackageDefinition(loadSync(join(protos, version, "reflection.proto"))) as unknown as {
    grpc: { reflection: Record<string, { ServerReflection: ServiceClientConstructor }> };
  };
  const Client = loaded.grpc.reflection[version]?.ServerReflection;
  if (Client === undefined) throw new Error(`no reflection ${version}`);
  const client = new Client(node.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const call = client["ServerReflectionInfo"]?.() as ClientDuplexStream<object, Answer>;
  call.on("error", () => {
    // Whoever waits for it is told, too.
  });
  cleanUp(() => call.cancel());
  return call;
}

async function ask(call: ClientDuplexStream<object, Answer>, request: object): Promise<Answer> {
  call.write(request);
  const [answer] = (await once(call, "data")) as [Answer];
  return answer;
}

test.each(["v1", "v1alpha"] as const)("R8: reflection %s lists the services and gives their files", async (version) => {
  const node = await startNode();
  const call = reflect(node, version);
  const { listServicesResponse } = await ask(call, { listServices: "" });
  const names = listServicesResponse?.service.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["websockets.v1.BroadcastService", "grpc.health.v1.Health"]));
  const symbol = { fileContainingSymbol: "websockets.v1.BroadcastService" };
  const { fileDescriptorResponse } = await ask(call, symbol);
  const [bytes] = fileDescriptorResponse?.fileDescriptorProto ?? [];
  const file = fromBinary(FileDescriptorProtoSchema, bytes ?? new Uint8Array());
  expect(file.package).toBe("websockets.v1");
  expect(
    file.messageType.find(({ name }) => name === "Message")?.field.map((field) => `${field.name}=${field.number}`),
  ).toEqual(["command=1", "topics=2", "payload=3", "event=10", "id=11", "broker=12", "text=13"]);
});

test("L7: an open reflection stream does not hold up a stop", async () => {
  const node = await startNode({ stop_timeout: "1m" });
  const call = reflect(node, "v1");
  await ask(call, { listServices: "" });
  const failed = once(call, "error");
  await node.carillon.stop();
  expect(await failed).toMatchObject([{ code: 14, details: "this node is stopping" }]);
});
