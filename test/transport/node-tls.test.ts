import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Client, credentials } from "@grpc/grpc-js";
import { WebSocket } from "ws";
import { cleanUp } from "../support/clean-up.js";
import { type Certificate, TestAuthority } from "../support/net/certificates.js";
import { startNode, type TestNode } from "../support/nodes/node.js";

const EMPTY = Buffer.alloc(0);

function same(bytes: Buffer): Buffer {
  return bytes;
}

/** Returns the gRPC status of an empty publish: 0 for OK. */
function publishStatus({ grpc }: TestNode, ca: Buffer, client?: Certificate): Promise<number> {
  const own = client === undefined ? [] : [readFileSync(client.keyFile), readFileSync(client.certFile)];
  const channel = new Client(grpc, credentials.createSsl(ca, ...own), { "grpc.ssl_target_name_override": "localhost" });
  cleanUp(() => channel.close());
  return new Promise((resolve) => {
    channel.makeUnaryRequest("/websockets.v1.BroadcastService/Publish", same, same, EMPTY, (error) => {
      resolve(error?.code ?? 0);
    });
  });
}

async function helloOf(node: TestNode, ca: Buffer): Promise<string> {
  const webSocket = new WebSocket(`${node.ws}/ws`, { ca });
  cleanUp(() => webSocket.terminate());
  await once(webSocket, "open");
  webSocket.send('{"command":"join","topics":["foo"]}');
  const [data] = (await once(webSocket, "message")) as [Buffer];
  return data.toString();
}

test("uses TLS on both ports, and requests client certificates on the gRPC port only", async () => {
  const authority = await TestAuthority.create();
  const clients = await TestAuthority.create();
  const { certFile, keyFile } = await authority.issue("localhost", "127.0.0.1");
  const node = await startNode({
    tls: { cert_file: certFile, key_file: keyFile },
    client_certificates: { ca_file: clients.caFile, required: true },
  });
  const ca = readFileSync(authority.caFile);
  expect(node.ws).toMatch(/^wss:/);
  expect(await helloOf(node, ca)).toBe('{"topic":"@join","payload":["foo"]}');
  expect(await publishStatus(node, ca, await clients.issueTo("CN=worker"))).toBe(0);
  expect(await publishStatus(node, ca, await authority.issueTo("CN=worker"))).toBe(14);
  expect(await publishStatus(node, ca)).toBe(14);
});

test("fails to start without its certificate, and names the missing file", async () => {
  await expect(startNode({ tls: { cert_file: "/nowhere/cert.pem", key_file: "/nowhere/key.pem" } })).rejects.toThrow(
    "cannot read /nowhere/cert.pem",
  );
});
