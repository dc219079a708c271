import { parseConfig } from "../../../src/server/config.js";
import { createOriginCheck } from "../../../src/transport/http/origin.js";
import { refusedUpgrade } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { connectRaw, upgradeRequest } from "../../support/raw/client.js";

/** Returns the status of an upgrade with or without an Origin header. */
async function upgradeStatus(node: TestNode, origin: string | undefined, host?: string): Promise<number> {
  const client = await connectRaw(node.http);
  client.send(upgradeRequest("/ws", { Origin: origin, ...(host === undefined ? {} : { Host: host }) }));
  return (await client.response()).status;
}

function rpc(node: TestNode, origin: string, method = "POST"): Promise<Response> {
  return fetch(`${node.http}/websockets.v1.BroadcastService/Publish`, {
    method,
    headers: { origin, "content-type": "application/json" },
    ...(method === "POST" ? { body: '{"messages":[]}' } : {}),
  });
}

describe("allowed origins", () => {
  const origins = ["https://app.example.com", "https://*.shop.example", "http://127.0.0.1:*", "https://ab*ba.example"];
  test.each([
    ["exact", "https://app.example.com", 101],
    ["in different case", "HTTPS://App.Example.COM", 101],
    ["matching the star", "https://eu.shop.example", 101],
    ["matching the star, in different case", "HTTPS://EU.SHOP.EXAMPLE", 101],
    ["matching a star at the end", "http://127.0.0.1:8123", 101],
    ["absent", undefined, 101],
    ["of another scheme", "http://app.example.com", 403],
    ["with a port", "https://app.example.com:8443", 403],
    ["of a parent domain", "https://example.com", 403],
    ["of a look-alike", "https://app.example.com.evil.example", 403],
    ["of a look-alike of the star", "https://shop.example.evil.example", 403],
    ["too short for both sides of the star", "https://aba.example", 403],
    ["just long enough for both sides of the star", "https://abba.example", 101],
    ["null", "null", 403],
    ["empty", "", 403],
    ["with bytes beyond ASCII", "https://app.exämple.com", 403],
  ])("L1: answers an origin that is %s (%s) with %i", async (_, origin, status) => {
    const node = await startNode({ origins });
    expect(await upgradeStatus(node, origin)).toBe(status);
  });

  test("L1: refuses with the reason as JSON and closes the connection", async () => {
    const node = await startNode({ origins });
    const client = await connectRaw(node.http);
    client.send(upgradeRequest("/ws", { Origin: "https://evil.example" }));
    const { body, headers, status } = await client.response();
    expect(status).toBe(403);
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("connection")).toBe("close");
    expect(JSON.parse(body)).toEqual({
      code: "permission_denied",
      message: "origin not allowed: https://evil.example; see origins in the configuration",
    });
    await client.ended();
    const library = await refusedUpgrade(`${node.ws}/ws`, { origin: "https://evil.example" });
    expect(library).toEqual({ status: 403, body });
  });

  test("L1: allows every origin with *, including null and bytes beyond ASCII", async () => {
    const node = await startNode({ origins: ["*"] });
    for (const origin of ["https://anything.example", "null", "https://\u00ff\u00fe"]) {
      expect(await upgradeStatus(node, origin)).toBe(101);
    }
  });

  test("L1: allows null when the list contains it", async () => {
    const node = await startNode({ origins: ["null"] });
    expect(await upgradeStatus(node, "null")).toBe(101);
  });

  test("L1: by default allows pages of this machine on any port, and no others", async () => {
    const node = await startNode();
    for (const origin of ["http://localhost", "http://localhost:3000", "https://127.0.0.1:3000", "http://[::1]:3000"]) {
      expect(await upgradeStatus(node, origin)).toBe(101);
    }
    for (const origin of ["http://localhost.evil.example", "http://evil.example", "null"]) {
      expect(await upgradeStatus(node, origin)).toBe(403);
    }
  });
});

describe("parsing of origins", () => {
  const ALLOWED = [
    "https://app.example.com/",
    "https://BÜCHER.example:443",
    "http://localhost:*",
    "https://*.shop.example",
    "https://*.ports.example:8443",
    "http://192.168.1.*",
    "http://[0:0:0:0:0:0:0:1]:3000",
    "chrome-extension://*",
    "file://",
    "null",
  ];

  test.each([
    "https://app.example.com",
    // Go's WebSocket client sends this form.
    "https://app.example.com/",
    "https://app.example.com:443",
    "https://xn--bcher-kva.example",
    "http://localhost",
    "http://localhost:80",
    "http://localhost:65535",
    "https://eu.shop.example",
    "https://a.b.shop.example",
    "https://eu.ports.example:8443",
    "http://192.168.1.20",
    "http://[::1]:3000",
    "chrome-extension://abcdefghijklmnop",
    "file://",
    "null",
  ])("L1: allows %s", (origin) => {
    expect(createOriginCheck({ allowed: ALLOWED, sameOrigin: false })(origin, undefined)).toBe(true);
  });

  test.each([
    "http://localhost:3000.evil.com",
    "http://localhost:3000@evil.com",
    "http://localhost:@evil.com",
    "http://localhost:evil.com",
    "http://localhost:65536",
    "http://localhost:",
    "http://localhost:30 00",
    "http://localhost.",
    "http://localhost.evil.com",
    "http://user@localhost:3000",
    "http://localhost:3000/path",
    "http://localhost:3000//",
    "http://localhost:3000?x",
    "http://localhost:3000#x",
    "http://localhost:3000\\evil.com",
    "http://localhost:3000, http://evil.com",
    "http://localhost:3000 http://evil.com",
    "https://localhost:3000",
    "https://evil.com/.shop.example",
    "https://evil.com?.shop.example",
    "https://evil.com#.shop.example",
    "https://evil.com\\.shop.example",
    "https://evil.com:80.shop.example",
    "https://user@.shop.example",
    "https://evil.com@eu.shop.example",
    "https://.shop.example",
    "https://..shop.example",
    "https://shop.example",
    "https://eu.shop.example.",
    "https://eu.shop.example:8443",
    "https://eu.ports.example",
    "https://eu.ports.example:443",
    "https://app.example.com:8443",
    "https://app.example.com//",
    "https://app.example.com.",
    "http://192.168.1.evil.com",
    "http://192.168.1.1.evil.com",
    "http://[::1]",
    "http://[::1]:3000.evil.com",
    "http://[::1%25eth0]:3000",
    "http://::1:3000",
    "file://localhost/etc/passwd",
    "file:///etc/passwd",
    "nullx",
    "null.evil.com",
    "",
    "//localhost:3000",
    "localhost:3000",
  ])("L1: refuses %j", (origin) => {
    expect(createOriginCheck({ allowed: ALLOWED, sameOrigin: false })(origin, undefined)).toBe(false);
  });

  test.each([
    [
      "https://app*",
      "a * at the end of a host would allow foreign domains, such as app.example; write :* for any port",
    ],
    ["http://localhost*", "write :* for any port"],
    ["https://app.example.com/path", "expected *, null, or an origin"],
    ["https://user@app.example.com", "expected *, null, or an origin"],
    ["https://*..example", "expected *, null, or an origin"],
    ["https://", "expected *, null, or an origin"],
    ["app.example.com", "expected *, null, or an origin"],
    ["https://app.example.com:99999", "expected *, null, or an origin"],
    ["https://*.example.com:*", "at most one *"],
  ])("L1: rejects the misleading pattern %s in the configuration", (pattern, message) => {
    expect(() => parseConfig({ origins: [pattern] })).toThrow(message);
  });

  test("L1: checks origins of upgrades, polls, RPC, REST and preflights alike", async () => {
    const node = await startNode({ origins: ["http://localhost:*", "https://app.example.com/"] });
    const ways: readonly (readonly [path: string, init: RequestInit])[] = [
      ["/websockets.v1.BroadcastService/Publish", { method: "POST", body: "{}" }],
      ["/websockets.v1.BroadcastService/Publish", { method: "OPTIONS" }],
      ["/socket.io/?EIO=4&transport=polling", {}],
      ["/api/v1/connections/", { method: "POST" }],
      ["/broadcaster/publish", { method: "OPTIONS" }],
    ];
    for (const origin of ["http://localhost:3000.evil.com", "http://localhost:3000@evil.com"]) {
      expect(await upgradeStatus(node, origin)).toBe(403);
      for (const [path, init] of ways) {
        const { headers, status } = await fetch(node.http + path, { ...init, headers: { origin } });
        expect([path, status, headers.get("access-control-allow-origin")]).toEqual([path, 403, null]);
      }
    }
    const origin = "https://app.example.com";
    expect(await upgradeStatus(node, origin)).toBe(101);
    for (const [path, init] of ways) {
      const { headers } = await fetch(node.http + path, { ...init, headers: { origin } });
      expect([path, headers.get("access-control-allow-origin")]).toEqual([path, origin]);
    }
  });
});

describe("same origin", () => {
  test("L1: is allowed on addresses other than loopback", async () => {
    const node = await startNode({ http: "0.0.0.0:0", insecure: true, origins: [] });
    const own = "carillon.example:8080";
    expect(await upgradeStatus(node, `http://${own}`, own)).toBe(101);
    expect(await upgradeStatus(node, `https://${own}`, own)).toBe(101);
    expect(await upgradeStatus(node, `HTTP://Carillon.Example:8080`, own)).toBe(101);
    expect(await upgradeStatus(node, "http://carillon.example", own)).toBe(403);
    expect(await upgradeStatus(node, "http://evil.example", own)).toBe(403);
    expect(await upgradeStatus(node, "https://carillon.example", "carillon.example:443")).toBe(101);
    expect(await upgradeStatus(node, `http://evil.example@${own}`, `evil.example@${own}`)).toBe(400);
    expect(await upgradeStatus(node, `ftp://${own}`, own)).toBe(403);
    expect(await upgradeStatus(node, own, own)).toBe(403);
    expect(await upgradeStatus(node, "null", "null")).toBe(403);
  });

  test("L1: is not allowed on loopback, to which any site's name may resolve", async () => {
    const node = await startNode({ origins: [] });
    expect(await upgradeStatus(node, "http://rebound.example", "rebound.example")).toBe(403);
  });
});

describe("RPC from pages", () => {
  const origins = ["https://app.example.com"];

  test("R9: lets pages of allowed origins call and read the response", async () => {
    const node = await startNode({ origins });
    const response = await rpc(node, "https://app.example.com");
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
    expect(response.headers.get("vary")).toBe("origin");
    expect(await response.json()).toEqual({ ok: true });
  });

  test("R9: answers other origins with 403 and without CORS headers", async () => {
    const node = await startNode({ origins });
    const response = await rpc(node, "https://evil.example");
    expect(response.status).toBe(403);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    expect(await response.json()).toMatchObject({ code: "permission_denied" });
  });

  test("R9: does not publish for a refused origin", async () => {
    const node = await startNode({ origins });
    const client = await connectRaw(node.http);
    await client.upgrade();
    await client.join("foo");
    const call = (origin: string, payload: string) =>
      fetch(`${node.http}/websockets.v1.BroadcastService/Publish`, {
        method: "POST",
        headers: { origin, "content-type": "application/json" },
        body: JSON.stringify({ messages: [{ topics: ["foo"], payload: btoa(payload) }] }),
      });
    expect((await call("https://evil.example", "evil")).status).toBe(403);
    expect((await call("https://app.example.com", "sentinel")).status).toBe(200);
    expect(await client.nextText()).toBe('{"topic":"foo","payload":"sentinel"}');
  });

  test("R9: answers preflights of allowed origins only", async () => {
    const node = await startNode({ origins });
    const allowed = await rpc(node, "https://app.example.com", "OPTIONS");
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
    expect(allowed.headers.get("access-control-allow-methods")).toContain("POST");
    expect(allowed.headers.get("access-control-allow-headers")).toContain("connect-protocol-version");
    expect(allowed.headers.get("access-control-allow-headers")?.split(", ")).toContain("carillon-vhost");
    const preflight = await fetch(`${node.http}/websockets.v1.BroadcastService/Publish`, {
      method: "OPTIONS",
      headers: {
        origin: "https://app.example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "traceparent, baggage, x-request-id",
      },
    });
    expect(preflight.headers.get("access-control-allow-headers")).toBe("traceparent, baggage, x-request-id");
    expect(preflight.headers.get("vary")).toBe("origin, access-control-request-headers");
    const refused = await rpc(node, "https://evil.example", "OPTIONS");
    expect(refused.status).toBe(403);
    expect(refused.headers.get("access-control-allow-methods")).toBeNull();
  });
});
