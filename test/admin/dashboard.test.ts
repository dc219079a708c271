import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import type { ConfigInput } from "../../src/index.js";
import { bearer, configuredKey, TestBackend } from "../support/backends/backend.js";
import { connect } from "../support/clients/native.js";
import { startTwoNatsNodes } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { recordLog } from "../support/nodes/log-records.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { PASSWORD, PASSWORD_HASH, postToDashboard, readDashboardSession, signIn } from "./support.js";

const TOPICS = "rpc/carillon.v1.ControlService/ListTopics";
const DISCONNECT = "rpc/carillon.v1.ControlService/Disconnect";
const PUBLISH = "rpc/websockets.v1.BroadcastService/Publish";

const KEYS = [
  configuredKey("operator", { actions: ["admin", "topics"] }),
  configuredKey("backend", { actions: ["topics", "publish"] }),
];

function startWithPassword(admin: ConfigInput["admin"] = {}): Promise<TestNode> {
  return startNode({ admin: { password_hash: PASSWORD_HASH, ...admin }, vhosts: { "/": { keys: KEYS }, "/shop": {} } });
}

async function statusOf({ http }: TestNode, path: string): Promise<number> {
  return (await fetch(http + path)).status;
}

function toLoopback(node: TestNode): TestNode {
  return { ...node, http: node.http.replace("0.0.0.0", "127.0.0.1") };
}

describe("the dashboard is served", () => {
  test("without signing in on loopback while no keys exist, and no longer afterwards", async () => {
    const node = await startNode();
    expect(await statusOf(node, "/admin")).toBe(200);
    expect((await readDashboardSession(node)).body).toEqual({ required: false, password: false, actions: false });
    expect((await postToDashboard(node, TOPICS)).status).toBe(200);
    await new TestBackend(node).call(ControlService.method.createKey, { name: "first", actions: ["*"] });
    for (const path of ["/admin", "/admin/session", "/admin/dashboard.js"])
      expect(await statusOf(node, path)).toBe(404);
    expect((await postToDashboard(node, TOPICS)).status).toBe(404);
    expect((await postToDashboard(node, "sign-in", { key: "x" })).status).toBe(404);
  });

  test("without keys behind a proxy on the same machine only by dashboard: on or a password", async () => {
    const proxies = { trusted_proxies: ["127.0.0.1"] };
    const quiet = await startNode(proxies);
    expect(await statusOf(quiet, "/admin")).toBe(404);
    expect((await postToDashboard(quiet, TOPICS)).status).toBe(404);
    const open = await startNode({ ...proxies, admin: { dashboard: "on" } });
    expect(await statusOf(open, "/admin")).toBe(200);
    const guarded = await startNode({ ...proxies, admin: { password_hash: PASSWORD_HASH } });
    expect(await statusOf(guarded, "/admin")).toBe(200);
    expect((await postToDashboard(guarded, TOPICS)).status).toBe(401);
  });

  test("with keys only by dashboard: on or a password, and never by dashboard: off", async () => {
    const vhosts = { "/": { keys: KEYS } };
    expect(await statusOf(await startNode({ vhosts }), "/admin")).toBe(404);
    expect(await statusOf(await startNode({ vhosts, admin: { dashboard: "on" } }), "/admin")).toBe(200);
    expect(await statusOf(await startWithPassword(), "/admin")).toBe(200);
    expect(await statusOf(await startNode({ admin: { dashboard: "off" } }), "/admin")).toBe(404);
  });

  test("on other addresses without keys only by dashboard: on", async () => {
    const open = { http: "0.0.0.0:0", insecure: true };
    expect(await statusOf(toLoopback(await startNode(open)), "/admin")).toBe(404);
    expect(await statusOf(toLoopback(await startNode({ ...open, admin: { dashboard: "on" } })), "/admin")).toBe(200);
  });

  test("with a policy that allows only its own files", async () => {
    const node = await startNode();
    for (const file of ["", "/dashboard.js", "/dashboard.css", "/theme.css", "/uplot.js", "/uplot.css", "/bell.svg"]) {
      const response = await fetch(`${node.http}/admin${file}`);
      expect([file, response.status]).toEqual([file, 200]);
      expect(response.headers.get("content-security-policy")).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      const text = await response.text();
      // The package's comments have addresses.
      expect(file.startsWith("/uplot") ? "" : text).not.toMatch(/(?:src|href|from|url)\W{1,3}https?:|<script>|<style/);
    }
  });
});

describe("the password", () => {
  test("begins a session whose cookie only this site sends, and no script reads", async () => {
    const node = await startWithPassword({ session: "2h" });
    expect((await readDashboardSession(node)).body).toEqual({ required: true, password: true, actions: false });
    expect((await postToDashboard(node, TOPICS)).body).toMatchObject({ code: "unauthenticated" });
    const { headers, status } = await postToDashboard(node, "sign-in", { password: PASSWORD });
    expect(status).toBe(200);
    expect(headers.get("set-cookie")).toMatch(
      /^carillon_admin=[\w-]{43}; Path=\/admin; Max-Age=7200; HttpOnly; SameSite=Strict$/,
    );
    const session = await signIn(node);
    expect((await readDashboardSession(node, session)).body).toMatchObject({ signedIn: "password" });
    for (const vhost of ["/", "/shop"]) {
      expect(await postToDashboard(node, TOPICS, {}, { ...session, "carillon-vhost": vhost })).toMatchObject({
        status: 200,
      });
    }
    expect((await postToDashboard(node, TOPICS, {}, { ...session, "carillon-vhost": "/none" })).status).toBe(404);
  });

  test("is refused when it is wrong, and the session's secrets are no keys", async () => {
    const node = await startWithPassword();
    for (const credentials of [
      { password: "wrong" },
      { password: "" },
      { password: 1 },
      {},
      { key: "a", password: "b" },
    ]) {
      expect((await postToDashboard(node, "sign-in", credentials)).status).toBeGreaterThanOrEqual(400);
    }
    const session = await signIn(node);
    const secrets = [session.cookie.split("=")[1] ?? "", session["carillon-dashboard-secret"]];
    for (const authorization of secrets.flatMap((secret) => [`Bearer ${secret}`, `Dashboard ${secret}`])) {
      const { status } = await new TestBackend(node, { authorization }).ask(ControlService.method.listTopics);
      expect(status).toBe(16);
    }
  });

  test("sets Secure when the browser uses TLS", async () => {
    const node = await startWithPassword();
    const origin = node.http.replace("http:", "https:");
    const { headers } = await postToDashboard(node, "sign-in", { password: PASSWORD }, { origin });
    expect(headers.get("set-cookie")).toMatch(/; SameSite=Strict; Secure$/);
  });

  test("is not checked after five failed attempts of an address", async () => {
    const node = await startWithPassword();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      expect(await postToDashboard(node, "sign-in", { password: `wrong ${attempt}` })).toMatchObject({
        status: 403,
        body: { message: "wrong password or key" },
      });
    }
    const { body, headers, status } = await postToDashboard(node, "sign-in", { password: PASSWORD });
    expect([status, headers.get("retry-after"), body["code"]]).toEqual([429, "30", "resource_exhausted"]);
    expect((await postToDashboard(node, "sign-in", { key: "operator" })).status).toBe(429);
  });

  test("ends the session and its streams when the user signs out", async () => {
    const node = await startWithPassword();
    const session = await signIn(node);
    const stream = await fetch(`${node.http}/admin/rpc/carillon.v1.MetricsService/WatchMetrics`, {
      method: "POST",
      headers: { "carillon-dashboard": "1", "content-type": "application/connect+json", ...session },
      body: Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("{}")]),
    });
    expect(stream.status).toBe(200);
    const { headers } = await postToDashboard(node, "sign-out", {}, session);
    expect(headers.get("set-cookie")).toMatch(/^carillon_admin=; Path=\/admin; Max-Age=0; /);
    expect(await stream.text()).toContain('"code":"unauthenticated"');
    expect((await postToDashboard(node, TOPICS, {}, session)).status).toBe(401);
  });
});

test("sign-ins and changes are logged with their address and user, and without secrets", async () => {
  const { log, records } = recordLog();
  const admin = { password_hash: PASSWORD_HASH, actions: true };
  const node = await startNode({ admin, vhosts: { "/": { keys: KEYS } } }, log);
  await postToDashboard(node, "sign-in", { password: "a wrong one" });
  const session = await signIn(node, { key: "operator" });
  await postToDashboard(node, DISCONNECT, { target: { user: "ann" } }, session);
  const address = "127.0.0.1";
  expect(records).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ msg: "sign-in to the dashboard refused", address, code: "permission_denied" }),
      expect.objectContaining({ msg: "signed in to the dashboard", address, by: "operator" }),
      expect.objectContaining({
        msg: "call by the dashboard",
        address,
        by: "operator",
        method: "/carillon.v1.ControlService/Disconnect",
      }),
    ]),
  );
  const written = JSON.stringify(records);
  for (const secret of [
    "a wrong one",
    session.cookie.split("=")[1] ?? "",
    session["carillon-dashboard-secret"],
    PASSWORD_HASH,
  ])
    expect(written).not.toContain(secret);
});

test("a session serves all nodes of the cluster, and ends on all of them", async () => {
  const server = await startNats();
  const config = { admin: { password_hash: PASSWORD_HASH }, vhosts: { "/": { keys: KEYS } } };
  const nodes = await startTwoNatsNodes(server.url, config);
  for (const [credentials, name] of [
    [{ password: PASSWORD }, "password"],
    [{ key: "operator" }, "operator"],
  ] as const) {
    const session = await signIn(nodes[0], credentials);
    expect((await readDashboardSession(nodes[1], session)).body).toMatchObject({ signedIn: name });
    expect((await postToDashboard(nodes[1], TOPICS, {}, session)).status).toBe(200);
    await postToDashboard(nodes[1], "sign-out", {}, session);
    for (const node of nodes) {
      while ((await postToDashboard(node, TOPICS, {}, session)).status !== 401);
      expect((await readDashboardSession(node, session)).body).not.toHaveProperty("signedIn");
    }
  }
});

describe("a key", () => {
  test("is not accepted before the first key exists", async () => {
    const node = await startNode({ admin: { password_hash: PASSWORD_HASH } });
    expect((await postToDashboard(node, "sign-in", { key: "any" })).body).toMatchObject({
      message: "wrong password or key",
    });
  });

  test("signs in with the action admin, and has only its other rights", async () => {
    const node = await startWithPassword();
    const session = await signIn(node, { key: "operator" });
    expect((await readDashboardSession(node, session)).body).toMatchObject({ signedIn: "operator" });
    expect((await postToDashboard(node, TOPICS, {}, session)).status).toBe(200);
    const connections = "rpc/carillon.v1.ControlService/ListConnections";
    expect((await postToDashboard(node, connections, {}, session)).body).toEqual({
      code: "permission_denied",
      message: 'key "operator" lacks the action "connections"',
    });
    expect((await postToDashboard(node, TOPICS, {}, { ...session, "carillon-vhost": "/shop" })).status).toBe(403);
  });

  test("is refused when it is unknown or lacks the action admin", async () => {
    const node = await startWithPassword();
    expect((await postToDashboard(node, "sign-in", { key: "unknown" })).body).toMatchObject({
      message: "wrong password or key",
    });
    expect((await postToDashboard(node, "sign-in", { key: "backend" })).body).toMatchObject({
      code: "permission_denied",
      message: 'this key lacks the action "admin"',
    });
  });

  test("ends its sessions when it is revoked", async () => {
    const node = await startNode({
      admin: { dashboard: "on" },
      vhosts: { "/": { keys: [configuredKey("root", { actions: ["*"] })] } },
    });
    const root = new TestBackend(node, bearer("root"));
    const { key, secret } = await root.call(ControlService.method.createKey, {
      name: "temporary",
      actions: ["admin", "topics"],
    });
    const session = await signIn(node, { key: secret });
    expect((await postToDashboard(node, TOPICS, {}, session)).status).toBe(200);
    expect((await readDashboardSession(node, session)).body).toMatchObject({ signedIn: "temporary" });
    await root.call(ControlService.method.revokeKey, { id: key?.id ?? "" });
    expect((await readDashboardSession(node, session)).body).not.toHaveProperty("signedIn");
    expect((await postToDashboard(node, TOPICS, {}, session)).status).toBe(401);
  });
});

describe("calls", () => {
  test("need both secrets of the session, because browsers send the cookie to other ports of the host", async () => {
    const node = await startWithPassword();
    const { cookie, ...secret } = await signIn(node);
    const other = await signIn(node);
    for (const headers of [{ cookie }, secret, { ...other, cookie }, { cookie, "carillon-dashboard-secret": "" }]) {
      expect((await postToDashboard(node, TOPICS, {}, headers)).status).toBe(401);
      expect((await readDashboardSession(node, headers)).body).not.toHaveProperty("signedIn");
    }
    expect((await postToDashboard(node, TOPICS, {}, { cookie, ...secret })).status).toBe(200);
  });

  test("are refused from other pages, and by other methods than POST", async () => {
    const node = await startWithPassword();
    const session = await signIn(node);
    const own = { ...session, origin: node.http, "sec-fetch-site": "same-origin" };
    expect((await postToDashboard(node, TOPICS, {}, own)).status).toBe(200);
    const foreign: Record<string, string>[] = [
      { "carillon-dashboard": "" },
      { origin: "https://evil.example" },
      { origin: node.http.replace(/:\d+$/, ":1") },
      { origin: "null" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "cross-site" },
    ];
    for (const headers of foreign) {
      for (const path of [TOPICS, "sign-in", "sign-out"]) {
        expect([headers, (await postToDashboard(node, path, {}, { ...own, ...headers })).status]).toEqual([
          headers,
          403,
        ]);
      }
    }
    const get = await fetch(`${node.http}/admin/${TOPICS}`, { headers: { ...session, "carillon-dashboard": "1" } });
    expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
    const preflight = await fetch(`${node.http}/admin/${TOPICS}`, {
      method: "OPTIONS",
      headers: { origin: node.http },
    });
    expect(preflight.status).toBe(405);
  });

  test("ignore a key in the request, and reach no methods that the dashboard does not need", async () => {
    const node = await startWithPassword();
    const session = await signIn(node, { key: "operator" });
    const connections = "rpc/carillon.v1.ControlService/ListConnections";
    const headers = { ...session, authorization: "Bearer backend" };
    expect((await postToDashboard(node, PUBLISH, {}, headers)).body).toMatchObject({
      message: expect.stringContaining("read-only"),
    });
    expect((await postToDashboard(node, connections, {}, headers)).body).toMatchObject({
      message: 'key "operator" lacks the action "connections"',
    });
    for (const method of ["CreateKey", "RevokeKey", "DeleteVhost", "Subscribe"]) {
      expect((await postToDashboard(node, `rpc/carillon.v1.ControlService/${method}`, {}, session)).status).toBe(404);
    }
  });

  test("change something only where admin.actions is on", async () => {
    const reading = await startWithPassword();
    const message = { messages: [{ topics: ["a"], text: "hello" }] };
    const client = await connect(`${reading.ws}/ws`);
    const readOnly = await signIn(reading);
    for (const [path, body] of [
      [PUBLISH, message],
      [DISCONNECT, { user: "ann" }],
    ] as const) {
      expect((await postToDashboard(reading, path, body, readOnly)).body).toEqual({
        code: "permission_denied",
        message: "the dashboard is read-only: see admin.actions in the configuration",
      });
    }
    await client.join("a");
    const acting = await startWithPassword({ actions: true });
    const listener = await connect(`${acting.ws}/ws`);
    await listener.join("a");
    const session = await signIn(acting);
    expect((await postToDashboard(acting, PUBLISH, message, session)).status).toBe(200);
    expect(await listener.next()).toMatchObject({ topic: "a", payload: "hello" });
  });
});
