import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { pino } from "pino";
import { createCarillon } from "../../src/index.js";
import { parseConfig } from "../../src/server/config.js";
import { cleanUp } from "../support/clean-up.js";
import { TestAuthority } from "../support/net/certificates.js";
import { startNode } from "../support/nodes/node.js";
import { connectRaw, upgradeRequest } from "../support/raw/client.js";

const OPERATIONS = ["/healthz", "/readyz", "/metrics"];
const ADMIN = { listen: "127.0.0.1:0" };

async function statusOf(url: string, path: string): Promise<number> {
  const response = await fetch(url + path);
  // An answer that is not read keeps its connection open.
  await response.arrayBuffer();
  return response.status;
}

test("L8: serves health and metrics on the HTTP port by default", async () => {
  const node = await startNode();
  for (const path of OPERATIONS) expect(await statusOf(node.http, path)).toBe(200);
  expect(node.carillon.addresses?.admin).toBeUndefined();
});

test("L8: serves only health and metrics on their own address, and not on the HTTP port", async () => {
  const node = await startNode({ admin: ADMIN });
  const { admin = "" } = node.carillon.addresses ?? {};
  expect(admin).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
  for (const path of OPERATIONS) {
    expect([path, await statusOf(admin, path), await statusOf(node.http, path)]).toEqual([path, 200, 404]);
  }
  const others = ["/", "/ws", "/broadcaster/health", "/socket.io/", "/websockets.v1.BroadcastService/Publish"];
  for (const path of others) expect([path, await statusOf(admin, path)]).toEqual([path, 404]);
  const client = await connectRaw(admin);
  client.send(upgradeRequest("/ws"));
  expect((await client.response()).status).toBe(404);
});

test("L8: refuses other methods and other hosts on their own address", async () => {
  const node = await startNode({ admin: ADMIN });
  const { admin = "" } = node.carillon.addresses ?? {};
  const posted = await fetch(`${admin}/metrics`, { method: "POST" });
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  const client = await connectRaw(admin);
  client.send("GET /metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n");
  expect((await client.response()).status).toBe(421);
});

test("L8: logs the actual address in the ready record, and stops with the node", async () => {
  const log: Record<string, unknown>[] = [];
  const logger = pino({}, { write: (line: string) => log.push(JSON.parse(line) as Record<string, unknown>) });
  const carillon = createCarillon({ http: "127.0.0.1:0", grpc: "127.0.0.1:0", admin: ADMIN }, logger);
  cleanUp(() => carillon.stop());
  await carillon.start();
  const { admin = "" } = carillon.addresses ?? {};
  expect(log.find(({ msg }) => msg === "ready")).toMatchObject({ admin });
  const kept = await connectRaw(admin);
  kept.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
  expect((await kept.response()).status).toBe(200);
  await carillon.stop();
  await kept.ended();
  await expect(fetch(admin)).rejects.toThrow("fetch failed");
});

test("L8: uses TLS on their own address when the other ports do", async () => {
  const authority = await TestAuthority.create();
  const { certFile, keyFile } = await authority.issue("127.0.0.1");
  const node = await startNode({ admin: ADMIN, tls: { cert_file: certFile, key_file: keyFile } });
  const asked = request(`${node.carillon.addresses?.admin}/healthz`, { ca: readFileSync(authority.caFile) }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  response.resume();
});

test("A3: refuses a non-loopback address for them without keys", () => {
  const admin = { listen: "0.0.0.0:9090" };
  expect(() => parseConfig({ admin })).toThrow("admin.listen: 0.0.0.0:9090 is reachable from other machines");
  expect(parseConfig({ admin, insecure: true }).admin.listen).toEqual({ host: "0.0.0.0", port: 9_090 });
  const keys = [{ name: "shop", hash: `sha256:${"0".repeat(64)}`, actions: ["publish" as const] }];
  expect(parseConfig({ admin, vhosts: { "/": { keys } } }).admin.listen?.host).toBe("0.0.0.0");
});

test("names an address that is in use", async () => {
  const node = await startNode({ admin: ADMIN });
  const listen = node.carillon.addresses?.admin?.replace("http://", "") ?? "";
  await expect(startNode({ admin: { listen } })).rejects.toThrow(`cannot listen on admin.listen address ${listen}`);
});
