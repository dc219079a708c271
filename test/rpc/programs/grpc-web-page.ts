import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { GrpcWebClientBase, MethodDescriptor, type RpcError } from "grpc-web";
import { WatchConnectionsRequestSchema, WatchConnectionsResponseSchema } from "../../../gen/carillon/v1/control_pb.js";
import { RequestSchema, ResponseSchema } from "../../../gen/websockets/v1/websockets_pb.js";

/** Runs in a page: calls with Google's gRPC-Web client, and logs the outcomes with console.log. */

/** Headers added by tracing. */
const METADATA = { traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01`, baggage: "a=b", "x-request-id": "42" };

const PUBLISH = describe("/websockets.v1.BroadcastService/Publish", "unary", RequestSchema, ResponseSchema);
const WATCH = describe(
  "/carillon.v1.ControlService/WatchConnections",
  "server_streaming",
  WatchConnectionsRequestSchema,
  WatchConnectionsResponseSchema,
);

function describe<Input extends DescMessage, Output extends DescMessage>(
  path: string,
  kind: string,
  input: Input,
  output: Output,
): MethodDescriptor<MessageShape<Input>, MessageShape<Output>> {
  // The constructors are only typed for generated code.
  const type = Object as unknown as new () => never;
  return new MethodDescriptor<MessageShape<Input>, MessageShape<Output>>(
    path,
    kind,
    type,
    type,
    (message: MessageShape<Input>) => toBinary(input, message),
    (bytes: Uint8Array) => fromBinary(output, bytes),
  );
}

async function publish(client: GrpcWebClientBase, http: string, topic: string): Promise<string> {
  const request = create(RequestSchema, { messages: [{ topics: [topic], payload: new TextEncoder().encode("hi ✓") }] });
  try {
    const { ok } = await client.unaryCall(`${http}${PUBLISH.getName()}`, request, METADATA, PUBLISH);
    return `published ${ok}`;
  } catch (cause) {
    const { code, message } = cause as RpcError;
    return `refused ${code} ${message}`;
  }
}

function watch(client: GrpcWebClientBase, http: string): void {
  const request = create(WatchConnectionsRequestSchema);
  client
    .serverStreaming(`${http}${WATCH.getName()}`, request, METADATA, WATCH)
    .on("data", ({ change }) => say(`change ${change}`))
    .on("error", ({ code, message }) => say(`stream refused ${code} ${message}`))
    .on("end", () => say("stream ended"));
}

function say(text: string): void {
  // Output of the page for the test.
  // oxlint-disable-next-line no-console
  console.log(text);
}

Object.assign(globalThis, {
  callAll: async (http: string, format: string) => {
    const client = new GrpcWebClientBase({ format });
    say(await publish(client, http, "heard"));
    say(await publish(client, http, "@bad"));
    if (format === "text") watch(client, http);
  },
});
