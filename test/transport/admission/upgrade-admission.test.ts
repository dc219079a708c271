import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { HttpRefusal } from "../../../src/access/hooks/http-refusal.js";
import { RateLimited } from "../../../src/clients/limits/rate-limited.js";
import { NativeDialect } from "../../../src/dialects/native/dialect.js";
import { RootsocketDialect } from "../../../src/dialects/rootsocket/dialect.js";
import { tokenPaths, vhostPaths } from "../../../src/dialects/routes.js";
import { CarillonError } from "../../../src/errors.js";
import { createClientAddress } from "../../../src/net/client-address.js";
import { Networks } from "../../../src/net/networks.js";
import { proxyHeader } from "../../support/net/proxy-header.js";
import { startWaitingAdmission, TestAdmission } from "../../support/nodes/test-admission.js";
import { connectRaw, frame, OPCODE, type RawClient, upgradeRequest } from "../../support/raw/client.js";

const WITHOUT_QUERY = { header: true, protocol: true, cookie: "", query: false };
const NO_PLACES = { header: false, protocol: false, cookie: "", query: false };
const LOOPBACK = new Networks(["127.0.0.1"]);

async function requestUpgrade(
  server: TestAdmission,
  path = "/ws",
  headers: Record<string, string> = {},
): Promise<RawClient> {
  const client = await connectRaw(server.url);
  client.send(upgradeRequest(path, headers));
  return client;
}

function textFrame(text: string): Buffer {
  return frame(OPCODE.text, text);
}

/** Returns the response to an upgrade whose admission fails, synchronously or later. */
async function refusal(cause: unknown, later: boolean): Promise<IncomingMessage & { body: string }> {
  const admit = (): Promise<never> => {
    if (!later) throw cause;
    return Promise.reject(cause);
  };
  const server = await new TestAdmission({ policy: { admit } }).start();
  const webSocket = new WebSocket(`${server.url.replace("http", "ws")}/ws`);
  webSocket.on("error", () => {});
  const [, response] = (await once(webSocket, "unexpected-response")) as [unknown, IncomingMessage];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  expect(server.faults).toEqual(cause instanceof CarillonError ? [] : [cause]);
  expect([server.released.unread, server.admission.waiting]).toEqual([[], 0]);
  return Object.assign(response, { body });
}

function broken(): never {
  throw new TypeError("broken");
}

/** Makes a round trip on another connection, so that the server has processed earlier events. */
async function roundTrip(server: TestAdmission): Promise<void> {
  await (await fetch(server.url)).text();
}

describe("description of a client", () => {
  test("holds its vhost, origin, credential and request", async () => {
    const server = await new TestAdmission().start();
    await requestUpgrade(server, "/ws/shop/eu?meta=1&token=secret&x=%20", { "User-Agent": "test/1", Cookie: "a=1" });
    const { upgrade, ...admissionRequest } = await server.admissionRequests.next();
    const { headers, query, ...forwarded } = upgrade;
    expect(admissionRequest).toEqual({
      vhost: "/shop/eu",
      origin: { dialect: "native", address: "127.0.0.1", userAgent: "test/1" },
      credential: "secret",
      mayAuthenticateLater: false,
      connectionId: "id-1",
    });
    expect(forwarded).toEqual({ method: "GET", uri: "/ws/shop/eu?meta=1&x=+", forwarded: [] });
    expect(headers.cookie).toBe("a=1");
    expect([...query]).toEqual([
      ["meta", "1"],
      ["x", " "],
    ]);
  });

  test("O10: does not forward a token in the query, even when the vhost takes none there", async () => {
    const server = await new TestAdmission({ policy: { credentialSources: () => WITHOUT_QUERY } }).start();
    await requestUpgrade(server, "/ws?x=%20&token=x%20y");
    expect(await server.admissionRequests.next()).toMatchObject({ credential: undefined, upgrade: { uri: "/ws?x=+" } });
    await requestUpgrade(server, "/ws?x=%20");
    expect(await server.admissionRequests.next()).toMatchObject({ upgrade: { uri: "/ws?x=%20" } });
  });

  test("S6, O10: passes a token in the path to the policy, and does not forward it", async () => {
    const claims = Buffer.from(JSON.stringify({ applicationIdentifier: "/shop" })).toString("base64url");
    const token = `${Buffer.from('{"alg":"HS512"}').toString("base64url")}.${claims}.c2ln`;
    const routeAt = tokenPaths("/api/v1/ws", new RootsocketDialect(), (vhost) => vhost === "/shop");
    const server = await new TestAdmission({ routeAt }).start();
    await requestUpgrade(server, `/api/v1/ws/${token}/?x=1`, { Authorization: "Bearer other" });
    const admissionRequest = await server.admissionRequests.next();
    expect(admissionRequest).toMatchObject({ vhost: "/shop", credential: token, upgrade: { uri: "/api/v1/ws/?x=1" } });
    expect(JSON.stringify({ ...admissionRequest, credential: "" })).not.toContain(token);
  });

  test("S5: refuses a path with a malformed token, and ignores other paths", () => {
    const routeAt = tokenPaths("/api/v1/ws", new RootsocketDialect(), () => false);
    expect(() => routeAt("/api/v1/ws/nonsense/")).toThrow(expect.objectContaining({ code: "unauthenticated" }));
    for (const path of ["/api/v1/ws", "/api/v1/ws/", "/api/v1/ws/a/b", "/api/v1/other"])
      expect(routeAt(path)).toBeUndefined();
  });

  test("O10: removes the token from forwarded headers and keeps their other values", async () => {
    const server = await new TestAdmission().start();
    const headers = {
      Authorization: "bearer secret",
      Cookie: "a=1; session=secret; b=2",
      "Sec-WebSocket-Protocol": "carillon, Bearer.secret, other",
      "X-Other": "1",
    };
    const client = await requestUpgrade(server, "/ws", headers);
    const admissionRequest = await server.admissionRequests.next();
    expect(admissionRequest.credential).toBe("secret");
    expect(admissionRequest.upgrade.headers).toMatchObject({
      authorization: undefined,
      cookie: "a=1; b=2",
      "sec-websocket-protocol": "carillon, other",
      "x-other": "1",
    });
    expect((await client.response()).headers.get("sec-websocket-protocol")).toBe("carillon");
  });

  test("A9: forwards the parts that hooks.forward names, except for a token in the path", async () => {
    const headers = {
      Authorization: "Bearer secret",
      Cookie: "session=secret",
      "Sec-WebSocket-Protocol": "carillon, bearer.secret",
    };
    const kept = {
      authorization: "Bearer secret",
      cookie: "session=secret",
      "sec-websocket-protocol": "carillon, bearer.secret",
    };
    const server = await new TestAdmission({ policy: { forwardedParts: () => ["authorization"] } }).start();
    await requestUpgrade(server, "/ws?x=%20&token=secret", headers);
    expect((await server.admissionRequests.next()).upgrade).toMatchObject({
      uri: "/ws?x=+",
      headers: kept,
      forwarded: ["authorization"],
    });
    const other = await new TestAdmission({ policy: { forwardedParts: () => ["query"] } }).start();
    await requestUpgrade(other, "/ws?x=%20&token=secret", headers);
    const { headers: forwarded, query, uri } = (await other.admissionRequests.next()).upgrade;
    expect([uri, [...query]]).toEqual([
      "/ws?x=%20&token=secret",
      [
        ["x", " "],
        ["token", "secret"],
      ],
    ]);
    expect([forwarded.authorization, forwarded.cookie, forwarded["sec-websocket-protocol"]]).toEqual([
      undefined,
      "",
      "carillon",
    ]);
  });

  test("O10: forwards headers unchanged when the vhost takes no token from them", async () => {
    const server = await new TestAdmission({ policy: { credentialSources: () => NO_PLACES } }).start();
    await requestUpgrade(server, "/ws", {
      Authorization: "Bearer x",
      Cookie: "session=x",
      "Sec-WebSocket-Protocol": "bearer.x, a",
    });
    expect((await server.admissionRequests.next()).upgrade.headers).toMatchObject({
      authorization: "Bearer x",
      cookie: "session=x",
      "sec-websocket-protocol": "bearer.x, a",
    });
  });

  test("A12: takes the client's address from the header of a trusted proxy only", async () => {
    const forwarded = { "X-Forwarded-For": "203.0.113.7" };
    const trusting = await new TestAdmission({ clientAddress: createClientAddress(LOOPBACK) }).start();
    await requestUpgrade(trusting, "/ws", forwarded);
    expect((await trusting.admissionRequests.next()).origin.address).toBe("203.0.113.7");
    const other = createClientAddress(new Networks(["192.0.2.0/24"]));
    const wary = await new TestAdmission({ clientAddress: other }).start();
    await requestUpgrade(wary, "/ws", forwarded);
    expect((await wary.admissionRequests.next()).origin.address).toBe("127.0.0.1");
  });

  test("A12: takes the client's address from a PROXY header", async () => {
    const server = await new TestAdmission({ proxies: LOOPBACK, clientAddress: createClientAddress(LOOPBACK) }).start();
    const client = await connectRaw(server.url);
    client.send(proxyHeader(), upgradeRequest("/ws", { "X-Forwarded-For": "198.51.100.1" }), textFrame("ping"));
    expect((await client.response()).status).toBe(101);
    // The peer is not a trusted proxy, so its X-Forwarded-For is ignored.
    expect((await server.admissionRequests.next()).origin.address).toBe("203.0.113.7");
    expect(await client.nextText()).toBe("ping");
    const without = await connectRaw(server.url);
    without.send(upgradeRequest());
    await without.ended();
  });

  test("A12: requires a PROXY header on each connection of a proxy, and serves its health checks", async () => {
    const server = await new TestAdmission({ proxies: LOOPBACK }).start();
    const client = await connectRaw(server.url);
    client.send(proxyHeader({ command: 0x20, family: 0, body: Buffer.alloc(0) }), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    expect((await client.response()).body).toBe("page");
    client.socket.destroy();
  });
});

describe("refusal", () => {
  describe.each([
    ["synchronous", false],
    ["asynchronous", true],
  ])("%s", (_, later) => {
    test.each([
      ["unauthenticated", 401, { "www-authenticate": "Bearer" }],
      ["permission_denied", 403, {}],
      ["not_found", 404, {}],
      ["resource_exhausted", 429, { "retry-after": "1" }],
      ["unavailable", 503, { "retry-after": "1" }],
    ] as const)("O8: answers %s with %i and the reason", async (code, status, headers) => {
      const response = await refusal(new CarillonError(code, "because"), later);
      expect(response.statusCode).toBe(status);
      expect(JSON.parse(response.body)).toEqual({ code, message: "because" });
      expect(response.headers).toMatchObject({ connection: "close", "content-type": "application/json", ...headers });
      expect(Object.keys(response.headers)).toHaveLength(3 + Object.keys(headers).length);
    });

    test("A11: sends Retry-After when there were too many handshakes", async () => {
      const response = await refusal(new RateLimited("too often", 1_200), later);
      expect([response.statusCode, response.headers["retry-after"]]).toEqual([429, "2"]);
    });

    test("A9: sends the backend's refusal without headers that only the server may set", async () => {
      const headers: [string, string][] = [
        ["Content-Type", "text/plain"],
        ["Set-Cookie", "a=1"],
        ["Set-Cookie", "b=2"],
        ["X-Reason", "caf\u00e9"],
        ["Content-Length", "1000"],
        ["Transfer-Encoding", "chunked"],
        ["X-Split", "1\r\nX-Evil: 1"],
      ];
      const body = Buffer.from("\u00fcber\r\n\r\nHTTP/1.1 200 OK");
      const response = await refusal(new HttpRefusal({ status: 418, headers, body }), later);
      expect(response.statusCode).toBe(418);
      expect(response.body).toBe(body.toString());
      expect(response.headers).toEqual({
        connection: "close",
        "content-length": String(body.length),
        "content-type": "text/plain",
        "set-cookie": ["a=1", "b=2"],
        "x-reason": "caf\u00e9",
      });
    });

    test("O10: discloses nothing about an internal error", async () => {
      const response = await refusal(new TypeError("secret"), later);
      expect(response.statusCode).toBe(500);
      expect(JSON.parse(response.body)).toEqual({ code: "internal", message: "internal error" });
    });
  });

  test("O8: answers 404 for an unknown vhost without asking the policy", async () => {
    const server = await new TestAdmission().start();
    const { body, status } = await (await requestUpgrade(server, "/ws/unknown?token=secret")).response();
    expect(status).toBe(404);
    expect(JSON.parse(body)).toEqual({ code: "not_found", message: "no WebSocket endpoint at /ws/unknown" });
    expect(server.admissionRequests.unread).toEqual([]);
  });

  test("O8: answers two different tokens with 400 that discloses neither", async () => {
    const server = await new TestAdmission().start();
    const { body, status } = await (
      await requestUpgrade(server, "/ws?token=secret1", { Authorization: "Bearer secret2" })
    ).response();
    expect([status, body.includes("secret")]).toEqual([400, false]);
    expect(server.admissionRequests.unread).toEqual([]);
  });
});

test("O10: does not send back a token that was offered as a subprotocol", async () => {
  const server = await new TestAdmission().start();
  const client = await requestUpgrade(server, "/ws", { "Sec-WebSocket-Protocol": "bearer.secret, carillon" });
  const { headers, status } = await client.response();
  expect([status, headers.get("sec-websocket-protocol")]).toEqual([101, "carillon"]);
  expect((await server.admissionRequests.next()).credential).toBe("secret");
  expect(JSON.stringify([...headers])).not.toContain("secret");
});

describe("malformed handshake", () => {
  const MALFORMED = { "Sec-WebSocket-Key": "short" };

  test("releases its admission when admitted synchronously", async () => {
    const server = await new TestAdmission().start();
    expect((await (await requestUpgrade(server, "/ws", MALFORMED)).response()).status).toBe(400);
    expect(await server.released.next()).toBe("id-1");
  });

  test("releases its admission when admitted later", async () => {
    const server = await startWaitingAdmission();
    const client = await requestUpgrade(server, "/ws", MALFORMED);
    (await server.decisions.next()).admit();
    expect((await client.response()).status).toBe(400);
    expect(await server.released.next()).toBe("id-1");
  });
});

test("A11: releases the admission once when the connection ends", async () => {
  const server = await new TestAdmission().start();
  const client = await requestUpgrade(server);
  await client.response();
  client.socket.destroy();
  expect(await server.released.next()).toBe("id-1");
  await roundTrip(server);
  expect(server.released.unread).toEqual([]);
});

test("closes the connection and releases the admission when opening the session fails", async () => {
  const server = await new TestAdmission({ openSession: broken }).start();
  const client = await requestUpgrade(server);
  await client.gone;
  expect(await server.released.next()).toBe("id-1");
  expect(server.faults).toHaveLength(1);
});

describe("pending decision", () => {
  test("W13: keeps what a client sends before it is admitted", async () => {
    const server = await startWaitingAdmission();
    const client = await connectRaw(server.url);
    client.send(upgradeRequest(), textFrame("1"));
    const { admit } = await server.decisions.next();
    for (const text of ["2", "3"]) {
      client.send(textFrame(text));
      await roundTrip(server);
    }
    admit();
    expect((await client.response()).status).toBe(101);
    client.send(textFrame("4"));
    for (const text of ["1", "2", "3", "4"]) expect(await client.nextText()).toBe(text);
  });

  test("O6: reads a bounded number of bytes before the admission, and the others after it", async () => {
    const server = await startWaitingAdmission();
    const client = await connectRaw(server.url);
    client.send(upgradeRequest());
    const { admit } = await server.decisions.next();
    const text = "x".repeat(60_000);
    const count = 500;
    for (let sent = 0; sent < count; sent += 1) client.send(textFrame(`${sent} ${text}`));
    await roundTrip(server);
    await roundTrip(server);
    // 30 MB exceed the system's buffers, so most of them are still unsent.
    expect(client.socket.writableLength).toBeGreaterThan(1_000_000);
    admit();
    expect((await client.response()).status).toBe(101);
    for (let sent = 0; sent < count; sent += 1) expect(await client.nextText()).toBe(`${sent} ${text}`);
  });

  test.each([
    ["half-closes", (client: RawClient) => client.socket.end()],
    ["resets", (client: RawClient) => client.socket.resetAndDestroy()],
    ["sends a frame and half-closes", (client: RawClient) => client.socket.end(textFrame("1"))],
  ])("L2: stops waiting when a client %s, and releases a later admission", async (_, leave) => {
    const server = await startWaitingAdmission();
    const client = await requestUpgrade(server);
    const { admit } = await server.decisions.next();
    expect(server.admission.waiting).toBe(1);
    leave(client);
    await client.gone;
    while (server.admission.waiting > 0) await roundTrip(server);
    expect(server.released.unread).toEqual([]);
    admit();
    expect(await server.released.next()).toBe("id-1");
    expect([server.clients.size, server.clock.timers]).toEqual([0, 0]);
  });

  test("ignores a refusal after the client has disconnected", async () => {
    const server = await startWaitingAdmission();
    const client = await requestUpgrade(server);
    const { refuse } = await server.decisions.next();
    client.socket.destroy();
    while (server.admission.waiting > 0) await roundTrip(server);
    refuse(new CarillonError("permission_denied", "because"));
    await roundTrip(server);
    expect(server.faults).toEqual([]);
  });

  test("L12: refuses a client after 10 s without a decision, and releases a late admission", async () => {
    const server = await startWaitingAdmission();
    const client = await requestUpgrade(server);
    const { admit } = await server.decisions.next();
    server.clock.advance(9_999);
    expect(server.admission.waiting).toBe(1);
    server.clock.advance(1);
    const { body, status } = await client.response();
    expect([status, JSON.parse(body)]).toEqual([
      503,
      { code: "unavailable", message: "the connection was not admitted in time" },
    ]);
    admit();
    expect(await server.released.next()).toBe("id-1");
    await client.gone;
  });

  test("L2: counts waiting clients against the connection limit", async () => {
    const server = await startWaitingAdmission({ limit: 2 });
    const inside = await requestUpgrade(server);
    (await server.decisions.next()).admit();
    await inside.response();
    const waiting = await requestUpgrade(server);
    const { admit } = await server.decisions.next();
    expect((await (await requestUpgrade(server)).response()).status).toBe(503);
    waiting.socket.destroy();
    while (server.admission.waiting > 0) await roundTrip(server);
    admit();
    const next = await requestUpgrade(server);
    (await server.decisions.next()).admit();
    expect((await next.response()).status).toBe(101);
  });

  test("L7: refuses waiting and new clients when the node stops", async () => {
    const server = await startWaitingAdmission();
    const client = await requestUpgrade(server);
    const { admit } = await server.decisions.next();
    server.admission.close();
    const { body, status } = await client.response();
    expect([status, JSON.parse(body)]).toEqual([503, { code: "unavailable", message: "this node is stopping" }]);
    admit();
    expect(await server.released.next()).toBe("id-1");
    expect((await (await requestUpgrade(server)).response()).status).toBe(503);
    expect(server.clients.size).toBe(0);
  });

  test("refuses a waiting client when its vhost was deleted meanwhile", async () => {
    const vhosts = new Set(["/", "/shop"]);
    const routeAt = vhostPaths("/ws", new NativeDialect(), (vhost) => vhosts.has(vhost));
    const server = await startWaitingAdmission({ routeAt });
    const client = await requestUpgrade(server, "/ws/shop");
    const { admit } = await server.decisions.next();
    vhosts.delete("/shop");
    admit();
    expect((await client.response()).status).toBe(404);
    expect(await server.released.next()).toBe("id-1");
    expect([server.clients.size, server.faults]).toEqual([0, []]);
  });

  test("L2: leaves nothing behind after concurrent closes, admissions and refusals", async () => {
    const server = await startWaitingAdmission({ limit: 1_000 });
    const clients = await Promise.all(Array.from({ length: 60 }, () => requestUpgrade(server)));
    for (const [number, client] of clients.entries()) {
      const { admit, refuse } = await server.decisions.next();
      if (number % 3 === 0) client.socket.resetAndDestroy();
      if (number % 4 === 1) refuse(new CarillonError("permission_denied", "because"));
      else admit();
      if (number % 3 === 1) client.socket.destroy();
    }
    for (const client of clients) client.socket.destroy();
    for (let number = 0; number < 60; number += 1) if (number % 4 !== 1) await server.released.next();
    await roundTrip(server);
    expect([server.released.unread, server.admission.waiting, server.clients.size, server.clock.timers]).toEqual([
      [],
      0,
      0,
      0,
    ]);
  });
});
