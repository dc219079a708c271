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
import { TestDoor, waitingDoor } from "../../support/nodes/door.js";
import { connectRaw, frame, OPCODE, type RawClient, upgradeRequest } from "../../support/raw/client.js";

const WITHOUT_QUERY = { header: true, protocol: true, cookie: "", query: false };
const NOWHERE = { header: false, protocol: false, cookie: "", query: false };
const LOOPBACK = new Networks(["127.0.0.1"]);

async function ask(door: TestDoor, path = "/ws", headers: Record<string, string> = {}): Promise<RawClient> {
  const client = await connectRaw(door.url);
  client.send(upgradeRequest(path, headers));
  return client;
}

function says(text: string): Buffer {
  return frame(OPCODE.text, text);
}

/** What is answered where admission fails so. */
async function refusal(cause: unknown, later: boolean): Promise<IncomingMessage & { body: string }> {
  const admit = (): Promise<never> => {
    if (!later) throw cause;
    return Promise.reject(cause);
  };
  const door = await new TestDoor({ policy: { admit } }).start();
  const webSocket = new WebSocket(`${door.url.replace("http", "ws")}/ws`);
  webSocket.on("error", () => {});
  const [, response] = (await once(webSocket, "unexpected-response")) as [unknown, IncomingMessage];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  expect(door.faults).toEqual(cause instanceof CarillonError ? [] : [cause]);
  expect([door.released.unread, door.door.waiting]).toEqual([[], 0]);
  return Object.assign(response, { body });
}

function broken(): never {
  throw new TypeError("broken");
}

/** A round trip on another connection, so that what happened before has been seen. */
async function roundTrip(door: TestDoor): Promise<void> {
  await (await fetch(door.url)).text();
}

describe("what is known of a client that asks", () => {
  test("where it came to, how, and as whom", async () => {
    const door = await new TestDoor().start();
    await ask(door, "/ws/shop/eu?meta=1&token=secret&x=%20", { "User-Agent": "test/1", Cookie: "a=1" });
    const { upgrade, ...arrival } = await door.arrivals.next();
    const { headers, query, ...told } = upgrade;
    expect(arrival).toEqual({
      vhost: "/shop/eu",
      origin: { dialect: "native", address: "127.0.0.1", userAgent: "test/1" },
      credential: "secret",
      guest: false,
      connectionId: "id-1",
    });
    expect(told).toEqual({ method: "GET", uri: "/ws/shop/eu?meta=1&x=+", forwarded: [] });
    expect(headers.cookie).toBe("a=1");
    expect([...query]).toEqual([
      ["meta", "1"],
      ["x", " "],
    ]);
  });

  test("O10: a token in the query is told to nobody, even where none is taken from there", async () => {
    const door = await new TestDoor({ policy: { credentialPlaces: () => WITHOUT_QUERY } }).start();
    await ask(door, "/ws?x=%20&token=x%20y");
    expect(await door.arrivals.next()).toMatchObject({ credential: undefined, upgrade: { uri: "/ws?x=+" } });
    await ask(door, "/ws?x=%20");
    expect(await door.arrivals.next()).toMatchObject({ upgrade: { uri: "/ws?x=%20" } });
  });

  test("S6, O10: a token in the path is shown to whoever decides, and told to nobody else", async () => {
    const claims = Buffer.from(JSON.stringify({ applicationIdentifier: "/shop" })).toString("base64url");
    const token = `${Buffer.from('{"alg":"HS512"}').toString("base64url")}.${claims}.c2ln`;
    const routeAt = tokenPaths("/api/v1/ws", new RootsocketDialect(), (vhost) => vhost === "/shop");
    const door = await new TestDoor({ routeAt }).start();
    await ask(door, `/api/v1/ws/${token}/?x=1`, { Authorization: "Bearer other" });
    const arrival = await door.arrivals.next();
    expect(arrival).toMatchObject({ vhost: "/shop", credential: token, upgrade: { uri: "/api/v1/ws/?x=1" } });
    expect(JSON.stringify({ ...arrival, credential: "" })).not.toContain(token);
  });

  test("S5: a path without a token that could be one is refused, and others are none of its business", () => {
    const routeAt = tokenPaths("/api/v1/ws", new RootsocketDialect(), () => false);
    expect(() => routeAt("/api/v1/ws/nonsense/")).toThrow(expect.objectContaining({ code: "unauthenticated" }));
    for (const path of ["/api/v1/ws", "/api/v1/ws/", "/api/v1/ws/a/b", "/api/v1/other"])
      expect(routeAt(path)).toBeUndefined();
  });

  test("O10: the token is in none of the headers that are told, whatever else they hold", async () => {
    const door = await new TestDoor().start();
    const headers = {
      Authorization: "bearer secret",
      Cookie: "a=1; session=secret; b=2",
      "Sec-WebSocket-Protocol": "carillon, Bearer.secret, other",
      "X-Other": "1",
    };
    const client = await ask(door, "/ws", headers);
    const arrival = await door.arrivals.next();
    expect(arrival.credential).toBe("secret");
    expect(arrival.upgrade.headers).toMatchObject({
      authorization: undefined,
      cookie: "a=1; b=2",
      "sec-websocket-protocol": "carillon, other",
      "x-other": "1",
    });
    expect((await client.response()).headers.get("sec-websocket-protocol")).toBe("carillon");
  });

  test("A9: passes on the parts that hooks.forward names, except for a token in the path", async () => {
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
    const door = await new TestDoor({ policy: { forwardedParts: () => ["authorization"] } }).start();
    await ask(door, "/ws?x=%20&token=secret", headers);
    expect((await door.arrivals.next()).upgrade).toMatchObject({
      uri: "/ws?x=+",
      headers: kept,
      forwarded: ["authorization"],
    });
    const other = await new TestDoor({ policy: { forwardedParts: () => ["query"] } }).start();
    await ask(other, "/ws?x=%20&token=secret", headers);
    const { headers: told, query, uri } = (await other.arrivals.next()).upgrade;
    expect([uri, [...query]]).toEqual([
      "/ws?x=%20&token=secret",
      [
        ["x", " "],
        ["token", "secret"],
      ],
    ]);
    expect([told.authorization, told.cookie, told["sec-websocket-protocol"]]).toEqual([undefined, "", "carillon"]);
  });

  test("O10: what is in no place of the vhost's is no token of ours, and stays", async () => {
    const door = await new TestDoor({ policy: { credentialPlaces: () => NOWHERE } }).start();
    await ask(door, "/ws", { Authorization: "Bearer x", Cookie: "session=x", "Sec-WebSocket-Protocol": "bearer.x, a" });
    expect((await door.arrivals.next()).upgrade.headers).toMatchObject({
      authorization: "Bearer x",
      cookie: "session=x",
      "sec-websocket-protocol": "bearer.x, a",
    });
  });

  test("A12: takes the client's address from the header of a trusted proxy only", async () => {
    const forwarded = { "X-Forwarded-For": "203.0.113.7" };
    const trusting = await new TestDoor({ clientAddress: createClientAddress(LOOPBACK) }).start();
    await ask(trusting, "/ws", forwarded);
    expect((await trusting.arrivals.next()).origin.address).toBe("203.0.113.7");
    const other = createClientAddress(new Networks(["192.0.2.0/24"]));
    const wary = await new TestDoor({ clientAddress: other }).start();
    await ask(wary, "/ws", forwarded);
    expect((await wary.arrivals.next()).origin.address).toBe("127.0.0.1");
  });

  test("A12: takes the client's address from a PROXY header", async () => {
    const door = await new TestDoor({ proxies: LOOPBACK, clientAddress: createClientAddress(LOOPBACK) }).start();
    const client = await connectRaw(door.url);
    client.send(proxyHeader(), upgradeRequest("/ws", { "X-Forwarded-For": "198.51.100.1" }), says("ping"));
    expect((await client.response()).status).toBe(101);
    // The peer is no proxy itself: what it forwards is not believed.
    expect((await door.arrivals.next()).origin.address).toBe("203.0.113.7");
    expect(await client.nextText()).toBe("ping");
    const without = await connectRaw(door.url);
    without.send(upgradeRequest());
    await without.ended();
  });

  test("A12: requires a PROXY header on each connection of a proxy, and serves its health checks", async () => {
    const door = await new TestDoor({ proxies: LOOPBACK }).start();
    const client = await connectRaw(door.url);
    client.send(proxyHeader({ command: 0x20, family: 0, body: Buffer.alloc(0) }), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    expect((await client.response()).body).toBe("page");
    client.socket.destroy();
  });
});

describe("a refusal", () => {
  describe.each([
    ["at once", false],
    ["later", true],
  ])("%s", (_, later) => {
    test.each([
      ["unauthenticated", 401, { "www-authenticate": "Bearer" }],
      ["permission_denied", 403, {}],
      ["not_found", 404, {}],
      ["resource_exhausted", 429, {}],
      ["unavailable", 503, {}],
    ] as const)("O8: answers %s with %i and the reason", async (code, status, headers) => {
      const response = await refusal(new CarillonError(code, "because"), later);
      expect(response.statusCode).toBe(status);
      expect(JSON.parse(response.body)).toEqual({ code, message: "because" });
      expect(response.headers).toMatchObject({ connection: "close", "content-type": "application/json", ...headers });
      expect(Object.keys(response.headers)).toHaveLength(3 + Object.keys(headers).length);
    });

    test("A11: says when to retry after too many handshakes", async () => {
      const response = await refusal(new RateLimited("too often", 1_200), later);
      expect([response.statusCode, response.headers["retry-after"]]).toEqual([429, "2"]);
    });

    test("A9: passes on the backend's refusal, without headers that only the server may set", async () => {
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

    test("O10: discloses nothing about a fault of the server", async () => {
      const response = await refusal(new TypeError("secret"), later);
      expect(response.statusCode).toBe(500);
      expect(JSON.parse(response.body)).toEqual({ code: "internal", message: "internal error" });
    });
  });

  test("O8: an unknown vhost is answered with 404, and nobody is asked", async () => {
    const door = await new TestDoor().start();
    const { body, status } = await (await ask(door, "/ws/unknown?token=secret")).response();
    expect(status).toBe(404);
    expect(JSON.parse(body)).toEqual({ code: "not_found", message: "no WebSocket is offered at /ws/unknown" });
    expect(door.arrivals.unread).toEqual([]);
  });

  test("O8: two different tokens are answered with 400, and none of them", async () => {
    const door = await new TestDoor().start();
    const { body, status } = await (
      await ask(door, "/ws?token=secret1", { Authorization: "Bearer secret2" })
    ).response();
    expect([status, body.includes("secret")]).toEqual([400, false]);
    expect(door.arrivals.unread).toEqual([]);
  });
});

test("O10: a token that came as a subprotocol is not sent back", async () => {
  const door = await new TestDoor().start();
  const client = await ask(door, "/ws", { "Sec-WebSocket-Protocol": "bearer.secret, carillon" });
  const { headers, status } = await client.response();
  expect([status, headers.get("sec-websocket-protocol")]).toEqual([101, "carillon"]);
  expect((await door.arrivals.next()).credential).toBe("secret");
  expect(JSON.stringify([...headers])).not.toContain("secret");
});

describe("a malformed handshake gives back what it was admitted for", () => {
  const MALFORMED = { "Sec-WebSocket-Key": "short" };

  test("at once", async () => {
    const door = await new TestDoor().start();
    expect((await (await ask(door, "/ws", MALFORMED)).response()).status).toBe(400);
    expect(await door.released.next()).toBe("id-1");
  });

  test("later", async () => {
    const door = await waitingDoor();
    const client = await ask(door, "/ws", MALFORMED);
    (await door.decisions.next()).admit();
    expect((await client.response()).status).toBe(400);
    expect(await door.released.next()).toBe("id-1");
  });
});

test("A11: releases a connection's places once when it ends", async () => {
  const door = await new TestDoor().start();
  const client = await ask(door);
  await client.response();
  client.socket.destroy();
  expect(await door.released.next()).toBe("id-1");
  await roundTrip(door);
  expect(door.released.unread).toEqual([]);
});

test("an error while a client is let in ends its connection and gives back what it was admitted for", async () => {
  const door = await new TestDoor({ enter: broken }).start();
  const client = await ask(door);
  await client.gone;
  expect(await door.released.next()).toBe("id-1");
  expect(door.faults).toHaveLength(1);
});

describe("while the decision is waited for", () => {
  test("W13: keeps what a client sends before it is admitted", async () => {
    const door = await waitingDoor();
    const client = await connectRaw(door.url);
    client.send(upgradeRequest(), says("1"));
    const { admit } = await door.decisions.next();
    for (const text of ["2", "3"]) {
      client.send(says(text));
      await roundTrip(door);
    }
    admit();
    expect((await client.response()).status).toBe(101);
    client.send(says("4"));
    for (const text of ["1", "2", "3", "4"]) expect(await client.nextText()).toBe(text);
  });

  test("O6: no more is read than so much, and the rest when it is let in", async () => {
    const door = await waitingDoor();
    const client = await connectRaw(door.url);
    client.send(upgradeRequest());
    const { admit } = await door.decisions.next();
    const text = "x".repeat(60_000);
    const count = 500;
    for (let sent = 0; sent < count; sent += 1) client.send(says(`${sent} ${text}`));
    await roundTrip(door);
    await roundTrip(door);
    // 30 MB fit into no buffer of the system: most of it is still here.
    expect(client.socket.writableLength).toBeGreaterThan(1_000_000);
    admit();
    expect((await client.response()).status).toBe(101);
    for (let sent = 0; sent < count; sent += 1) expect(await client.nextText()).toBe(`${sent} ${text}`);
  });

  test.each([
    ["ends its side", (client: RawClient) => client.socket.end()],
    ["resets", (client: RawClient) => client.socket.resetAndDestroy()],
    ["has sent something and ends its side", (client: RawClient) => client.socket.end(says("1"))],
  ])("L2: a client that %s waits no longer, and gives back its admission when it comes", async (_, leave) => {
    const door = await waitingDoor();
    const client = await ask(door);
    const { admit } = await door.decisions.next();
    expect(door.door.waiting).toBe(1);
    leave(client);
    await client.gone;
    while (door.door.waiting > 0) await roundTrip(door);
    expect(door.released.unread).toEqual([]);
    admit();
    expect(await door.released.next()).toBe("id-1");
    expect([door.inside.size, door.clock.timers]).toEqual([0, 0]);
  });

  test("a refusal that comes too late is told to nobody", async () => {
    const door = await waitingDoor();
    const client = await ask(door);
    const { refuse } = await door.decisions.next();
    client.socket.destroy();
    while (door.door.waiting > 0) await roundTrip(door);
    refuse(new CarillonError("permission_denied", "because"));
    await roundTrip(door);
    expect(door.faults).toEqual([]);
  });

  test("L12: refuses a client after 10 s without a decision, and releases a late admission", async () => {
    const door = await waitingDoor();
    const client = await ask(door);
    const { admit } = await door.decisions.next();
    door.clock.advance(9_999);
    expect(door.door.waiting).toBe(1);
    door.clock.advance(1);
    const { body, status } = await client.response();
    expect([status, JSON.parse(body)]).toEqual([
      503,
      { code: "unavailable", message: "it took too long to decide on this connection" },
    ]);
    admit();
    expect(await door.released.next()).toBe("id-1");
    await client.gone;
  });

  test("L2: who waits takes a place of those who may be inside", async () => {
    const door = await waitingDoor({ limit: 2 });
    const inside = await ask(door);
    (await door.decisions.next()).admit();
    await inside.response();
    const waiting = await ask(door);
    const { admit } = await door.decisions.next();
    expect((await (await ask(door)).response()).status).toBe(503);
    waiting.socket.destroy();
    while (door.door.waiting > 0) await roundTrip(door);
    admit();
    const next = await ask(door);
    (await door.decisions.next()).admit();
    expect((await next.response()).status).toBe(101);
  });

  test("L7: a node that stops refuses who waits, and whoever comes then", async () => {
    const door = await waitingDoor();
    const client = await ask(door);
    const { admit } = await door.decisions.next();
    door.door.close();
    const { body, status } = await client.response();
    expect([status, JSON.parse(body)]).toEqual([503, { code: "unavailable", message: "this node is stopping" }]);
    admit();
    expect(await door.released.next()).toBe("id-1");
    expect((await (await ask(door)).response()).status).toBe(503);
    expect(door.inside.size).toBe(0);
  });

  test("a vhost that is deleted meanwhile lets nobody in", async () => {
    const vhosts = new Set(["/", "/shop"]);
    const routeAt = vhostPaths("/ws", new NativeDialect(), (vhost) => vhosts.has(vhost));
    const door = await waitingDoor({ routeAt });
    const client = await ask(door, "/ws/shop");
    const { admit } = await door.decisions.next();
    vhosts.delete("/shop");
    admit();
    expect((await client.response()).status).toBe(404);
    expect(await door.released.next()).toBe("id-1");
    expect([door.inside.size, door.faults]).toEqual([0, []]);
  });

  test("L2: closes, admissions and refusals at the same time leave nothing behind", async () => {
    const door = await waitingDoor({ limit: 1_000 });
    const clients = await Promise.all(Array.from({ length: 60 }, () => ask(door)));
    for (const [number, client] of clients.entries()) {
      const { admit, refuse } = await door.decisions.next();
      if (number % 3 === 0) client.socket.resetAndDestroy();
      if (number % 4 === 1) refuse(new CarillonError("permission_denied", "because"));
      else admit();
      if (number % 3 === 1) client.socket.destroy();
    }
    for (const client of clients) client.socket.destroy();
    for (let number = 0; number < 60; number += 1) if (number % 4 !== 1) await door.released.next();
    await roundTrip(door);
    expect([door.released.unread, door.door.waiting, door.inside.size, door.clock.timers]).toEqual([[], 0, 0, 0]);
  });
});
