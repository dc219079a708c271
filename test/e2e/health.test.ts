import { TestAuthority } from "../support/net/certificates.js";
import { keepAddress } from "../support/net/kept-address.js";
import { runCarillon, startCarillon } from "../support/nodes/process.js";
import { temporaryFile } from "../support/temporary-files.js";

/** Returns HOST:PORT of a URL. */
function hostOf(url: unknown): string {
  return new URL(String(url)).host;
}

test("finds the node by its settings, and prints its answer", async () => {
  const { http } = await startCarillon();
  const config = temporaryFile("carillon.yaml", JSON.stringify({ http: hostOf(http) }));
  expect(await runCarillon(["health", "--config", config])).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
  const environment = { CARILLON_HTTP: hostOf(http).replace("127.0.0.1", "0.0.0.0"), CARILLON_INSECURE: "true" };
  expect(await runCarillon(["health", "--ready"], { environment })).toEqual({ code: 0, stdout: "ready\n", stderr: "" });
});

test("asks admin.listen where it is set, over TLS where the node has a certificate", async () => {
  const { certFile, keyFile } = await (await TestAuthority.create()).issue("carillon.example");
  const settings = { tls: { cert_file: certFile, key_file: keyFile } };
  const file = temporaryFile("node.yaml", JSON.stringify({ ...settings, admin: { listen: "127.0.0.1:0" } }));
  const node = await startCarillon(["--config", file]);
  const { admin } = await node.logged("ready");
  const config = temporaryFile("health.yaml", JSON.stringify({ ...settings, admin: { listen: hostOf(admin) } }));
  expect(await runCarillon(["health", "--config", config])).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
});

test.each([false, true])(
  "reaches a node that takes this machine for a trusted proxy (with TLS: %s)",
  async (secure) => {
    const { certFile, keyFile } = await (await TestAuthority.create()).issue("carillon.example");
    const settings = {
      proxy_protocol: true,
      trusted_proxies: ["127.0.0.0/8"],
      ...(secure ? { tls: { cert_file: certFile, key_file: keyFile } } : {}),
    };
    const { http } = await startCarillon(["--config", temporaryFile("node.yaml", JSON.stringify(settings))]);
    const config = temporaryFile("health.yaml", JSON.stringify({ ...settings, http: hostOf(http) }));
    expect(await runCarillon(["health", "--config", config])).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
  },
);

test("checks the certificate of a node that is named by its URL", async () => {
  const authority = await TestAuthority.create();
  const { certFile, keyFile } = await authority.issue("127.0.0.1");
  const file = temporaryFile("node.yaml", JSON.stringify({ tls: { cert_file: certFile, key_file: keyFile } }));
  const { http } = await startCarillon(["--config", file]);
  const { code, stderr } = await runCarillon(["health", "--server", http]);
  expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining("does not answer: unable to verify") });
  expect(await runCarillon(["health", "--server", http, "--ca", authority.caFile])).toMatchObject({ code: 0 });
});

test("tells a node that lives from one that can serve", async () => {
  const node = await startCarillon([], { environment: { CARILLON_DRAIN_DELAY: "10m" } });
  node.child.kill("SIGTERM");
  await node.logged("stopping; a second signal exits immediately");
  const stopping = { code: 1, stdout: "", stderr: "carillon: stopping\n" };
  expect(await runCarillon(["health", "--ready", "--server", node.http])).toEqual(stopping);
  expect(await runCarillon(["health", "--server", node.http])).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
});

test("waits until a node that is being started can serve", async () => {
  const http = await keepAddress();
  expect(await runCarillon(["health", "--server", http])).toMatchObject({ code: 3 });
  const asked = runCarillon(["health", "--ready", "--wait", "2m", "--server", http]);
  await startCarillon(["--http", http]);
  expect(await asked).toEqual({ code: 0, stdout: "ready\n", stderr: "" });
});

test.each([
  [["--server", "grpc://127.0.0.1:6001"], "Expected an address such as http://127.0.0.1:8080."],
  [["--server", "http://127.0.0.1:1", "--ca", "ca.pem"], "--ca: requires an address with https://"],
  [["--wait", "soon"], "Expected a duration such as 30s or 2m."],
  [["--server", "https://127.0.0.1:1", "--ca", "/missing.pem"], "no such file"],
])("exits with 2 on invalid usage: %j", async (args, text) => {
  const { code, stderr } = await runCarillon(["health", ...args]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(text) });
});

test("exits with 2 when the settings do not have the port", async () => {
  const { code, stderr } = await runCarillon(["health"], { environment: { CARILLON_HTTP: "127.0.0.1:0" } });
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: "carillon: the configured port is 0: pass --server\n",
  });
});
