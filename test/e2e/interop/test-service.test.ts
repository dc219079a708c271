import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { createFileRegistry, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { packageRoot } from "../../../src/util/package-root.js";
import { everybody } from "../../rpc/support/keys.js";
import { startMounts } from "../../support/backends/mounts.js";

/**
 * Runs gRPC's interoperability tests with the client of grpc-go that is published for them. Their service is implemented here as
 * services of Carillon are. These have neither metadata, nor compressed answers, nor the status UNKNOWN, so that the tests
 * custom_metadata, *_compressed_* and *status_message are missing. Source: github.com/grpc/grpc, doc/interop-test-descriptions.md.
 */

/** Tests of the client that need no more than a server. */
const CASES = [
  "empty_unary",
  "large_unary",
  "client_streaming",
  "server_streaming",
  "ping_pong",
  "empty_stream",
  "timeout_on_sleeping_server",
  "cancel_after_begin",
  "cancel_after_first_response",
  "unimplemented_method",
  "unimplemented_service",
  "rpc_soak",
  "channel_soak",
];

interface Payload {
  readonly body: Uint8Array;
}

interface OutputRequest {
  readonly responseParameters: readonly { readonly size: number }[];
}

const payloadOf = (size: number) => ({ payload: { body: Buffer.alloc(size) } });

const implementation = {
  async emptyCall() {
    return {};
  },
  async unaryCall({ responseSize }: { readonly responseSize: number }) {
    return payloadOf(responseSize);
  },
  async *streamingOutputCall({ responseParameters }: OutputRequest) {
    for (const { size } of responseParameters) yield payloadOf(size);
  },
  async *streamingInputCall(requests: AsyncIterable<{ readonly payload?: Payload }>) {
    let aggregatedPayloadSize = 0;
    for await (const { payload } of requests) aggregatedPayloadSize += payload?.body.length ?? 0;
    yield { aggregatedPayloadSize };
  },
  async *fullDuplexCall(requests: AsyncIterable<OutputRequest>) {
    for await (const { responseParameters } of requests) {
      for (const { size } of responseParameters) yield payloadOf(size);
    }
  },
};

async function readService(): Promise<DescService> {
  const buf = join(packageRoot, "node_modules", ".bin", "buf");
  const args = ["build", join(__dirname, "proto"), "-o", "-"];
  const { stdout } = await promisify(execFile)(buf, args, { cwd: packageRoot, encoding: "buffer" });
  const service = createFileRegistry(fromBinary(FileDescriptorSetSchema, stdout)).getService(
    "grpc.testing.TestService",
  );
  if (service === undefined) throw new Error("no TestService");
  return service;
}

/** Runs one test. @returns what the client has printed; rejects when the test fails */
async function runCase(name: string, address: string): Promise<string> {
  const [host, port] = address.split(":");
  const args = [`--server_host=${host}`, `--server_port=${port}`, `--test_case=${name}`];
  const env = { ...process.env, GRPC_GO_LOG_SEVERITY_LEVEL: "info" };
  const { stderr } = await promisify(execFile)(process.env["GRPC_INTEROP"] ?? "", args, { env });
  return stderr;
}

const missing =
  process.env["GRPC_INTEROP"] === undefined
    ? (process.env["GRPC_INTEROP_MISSING"] ?? "GRPC_INTEROP is not set")
    : undefined;
const group = missing === undefined ? describe : describe.skip;

group(`gRPC's interoperability tests${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  test.each(CASES)("passes %s", async (name) => {
    const service = await readService();
    const actions = Object.fromEntries(service.methods.map(({ localName }) => [localName, "publish" as const]));
    const { faults, grpc } = await startMounts({
      directory: everybody(),
      services: [{ service, implementation, actions }],
    });
    expect(await runCase(name, grpc)).toMatch(/done|succeeded/i);
    expect(faults).toEqual([]);
  });
});
