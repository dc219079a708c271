import { SECRET } from "../../../access/jwts.js";
import { publish, say } from "../../../support/backends/publish.js";
import { connect, refusedUpgrade } from "../../../support/clients/native.js";
import { PollingClient } from "../../../support/clients/polling.js";
import { metric, untilMetric, untilNone } from "../../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../../support/nodes/node.js";
import { connectRaw } from "../../../support/raw/client.js";
import { CONFIG, tokenFor } from "../support.js";

const POLL = "/socket.io/?EIO=3&transport=polling";
const PATH = "/socket.io/?EIO=3&transport=websocket";

/** Opens a connection that receives bytes in binary form, as browsers do. */
async function binaryHandshake({ http }: TestNode): Promise<string> {
  const opened = await (await fetch(http + POLL)).text();
  const { sid } = JSON.parse(opened.slice(opened.indexOf("{"))) as { sid: string };
  return `${http}${POLL}&sid=${sid}`;
}

/** Encodes a packet for a binary body: 0 or 1, the digits of its length, 255, and the content. */
function binaryPacket(kind: 0 | 1, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(kind, ...Array.from(String(body.length), Number), 255), body]);
}

describe("I18: Engine.IO 3", () => {
  test("I18: answers polls with lengths, and connects the client to / without a request", async () => {
    const node = await startNode({ ping: { interval: "25s" } });
    const opened = await (await fetch(node.http + POLL)).text();
    expect(opened).toMatch(/^\d+:0\{"sid":"[\w-]+","upgrades":\["websocket"\],"pingInterval":25000,/);
    expect(opened.slice(opened.indexOf(":") + 1)).toHaveLength(Number(opened.slice(0, opened.indexOf(":"))));
    const { sid } = JSON.parse(opened.slice(opened.indexOf("{"))) as { sid: string };
    const url = `${node.http}${POLL}&sid=${sid}`;
    expect(await (await fetch(url)).text()).toBe("2:40");
    await fetch(url, { method: "POST", body: '28:421["join",{"topics":["é"]}]' });
    expect(await (await fetch(url)).text()).toBe('16:431[{"ok":true}]');
  });

  test("I18: sends bytes raw to clients that accept them, and as base64 to others", async () => {
    const node = await startNode();
    const url = await binaryHandshake(node);
    expect(await (await fetch(url)).text()).toBe("2:40");
    await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: binaryPacket(0, Buffer.from('421["join",{"topics":["ü"]}]')) as BodyInit,
    });
    expect(await (await fetch(url)).text()).toBe('16:431[{"ok":true}]');
    const old = await PollingClient.connect(node.http, "", 3);
    await old.send('421["join",{"topics":["ü"]}]');
    await old.next();
    await publish(node, [{ topics: ["ü"], payload: Uint8Array.of(255, 0), event: "é" }]);
    const answer = await fetch(url);
    expect(answer.headers.get("content-type")).toBe("application/octet-stream");
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(
      Buffer.concat([
        binaryPacket(0, Buffer.from('451-["é",{"_placeholder":true,"num":0}]')),
        binaryPacket(1, Buffer.of(4, 255, 0)),
      ]),
    );
    expect(await old.next()).toBe('451-["é",{"_placeholder":true,"num":0}]');
    expect(await old.next()).toBe("b4/wA=");
  });

  test.each([
    ["text", ["", "x", "5:42[", ":42", "2:9x", "0:", "1e1:42", "-1:4", `${"9".repeat(9)}:4`, "1:"]],
    [
      "bytes",
      [
        "",
        "0",
        "00ff",
        "0002ff34",
        "0201ff32",
        "000aff32",
        "0001ff39",
        "0003ff34ffff",
        "0102ff09ff",
        "00".repeat(20),
      ].map((hex) => Buffer.from(hex, "hex")),
    ],
  ])("I14: ends the connection on a malformed body (%s)", async (_kind, bodies) => {
    const node = await startNode();
    for (const body of bodies) {
      const client = await PollingClient.connect(node.http, "", 3);
      await client.post(body);
      await expect(client.poll()).rejects.toThrow("400");
    }
    expect(await metric(node, "carillon_connections")).toBe(0);
  });

  test("O6: ends a connection with unread answers to pings", async () => {
    const node = await startNode();
    const client = await PollingClient.connect(node.http, "", 3);
    await client.send(...Array.from({ length: 10_000 }, () => "2")).catch(() => {});
    await expect(client.poll()).rejects.toThrow("400");
  });

  test("L5: disconnects a client that does not ping", async () => {
    const node = await startNode({ ping: { interval: "1s", timeout: "500ms" } });
    const client = await connect(node.ws + PATH);
    expect(await client.nextText()).toMatch(/^0\{/);
    expect(await client.nextText()).toBe("40");
    client.send("2");
    expect(await client.nextText()).toBe("3");
    await client.closed;
    await untilMetric(node, 'carillon_connections_closed_total{code="1011"}', 1);
  });

  test("I12: connects to other namespaces with a token in the query, and compares paths literally", async () => {
    const node = await startNode({ vhosts: { "/shop": { jwt: { secret: SECRET }, access: "private" } } });
    const client = await connect(node.ws + PATH);
    await client.nextText();
    expect(await client.nextText()).toBe("40");
    client.send(`40/shop?token=${await tokenFor("eve")}&x=1,`);
    expect(await client.nextText()).toBe("40/shop,");
    client.send('42/shop,1["join",{"topics":["staff.eve"]}]');
    expect(await client.nextText()).toBe('43/shop,1[{"ok":true}]');
    client.send("41/shop,");
    client.send('421["leave",{"topics":["a"]}]');
    expect(await client.nextText()).toBe('431[{"ok":true}]');
    client.send("40/shop?token=x,");
    expect(await client.nextText()).toBe(
      '44/shop,{"message":"invalid token: not a signed JWT","human":"Please sign in first.",' +
        '"details":"unauthenticated","context":"connection","code":401,"_id":null}',
    );
    client.send("40/nope,");
    expect(await client.nextText()).toBe('44/nope,{"message":"Invalid namespace"}');
    client.send("40/x/../shop,");
    await client.closed;
    await untilNone(node, "carillon_connections");
  });

  test.each(["40", "40/shop,"])("I12: accepts one request for a namespace (%s)", async (packet) => {
    const node = await startNode({ vhosts: { "/shop": {} } });
    const client = await connect(node.ws + PATH);
    client.send(packet);
    client.send(packet);
    await client.closed;
    await untilNone(node, "carillon_connections");
    expect(await metric(node, "carillon_connections")).toBe(0);
  });

  test("I17: reports the refusal of /, and counts the connection as one without a namespace", async () => {
    const node = await startNode({ vhosts: { "/": { ...CONFIG.vhosts?.["/"], limits: { connections: 1 } } } });
    await PollingClient.connect(node.http, "", 3);
    const second = await PollingClient.open(node.http, 3);
    expect(await second.next()).toMatch(/^44\{.*"details":"resource_exhausted","context":"connection","code":429/);
    expect(await metric(node, "carillon_connections")).toBe(1);
  });

  test("I15: keeps messages for a polling client, and sends them in order on the WebSocket after its upgrade", async () => {
    const node = await startNode();
    const polling = await PollingClient.connect(node.http, "", 3);
    await polling.send('421["join",{"topics":["a"]}]');
    expect(await polling.next()).toBe('431[{"ok":true}]');
    for (let count = 0; count < 30; count += 1) await say(node, "a", String(count));
    const client = await connect(polling.webSocketUrl);
    client.send("2probe");
    expect(await client.nextText()).toBe("3probe");
    client.send("5");
    await say(node, "a", "30");
    await publish(node, [{ topics: ["a"], payload: Uint8Array.of(255), event: "bytes" }]);
    for (let count = 0; count <= 30; count += 1) expect(await client.nextText()).toBe(`42["message",${count}]`);
    expect(await client.nextText()).toBe('451-["bytes",{"_placeholder":true,"num":0}]');
    expect(await client.nextText()).toBe("b4/w==");
  });
});

describe("I16: refusals before an upgrade", () => {
  test.each([
    "EIO=5&transport=websocket",
    "EIO=2&transport=websocket",
    "EIO=&transport=websocket",
    "transport=websocket",
    "EIO=4&EIO=3&transport=websocket",
    "EIO=4",
    "EIO=4&transport=polling",
    "EIO=3&transport=polling",
    "EIO=4&transport=webtransport",
    "EIO=4&transport=flashsocket",
    "EIO=4&transport=websocket&transport=polling",
    "EIO=4&transport=websocket&sid=nobody",
    "EIO=3&transport=websocket&sid=nobody",
    "EIO=4&transport=websocket&sid=__proto__",
    "EIO=4&transport=websocket&j=0",
  ])("I16: answers 400 instead of 101 (%s)", async (query) => {
    const node = await startNode();
    expect(await refusedUpgrade(`${node.ws}/socket.io/?${query}`)).toMatchObject({ status: 400 });
    expect(await metric(node, 'carillon_upgrades_refused_total{reason="invalid_argument"}')).toBe(1);
    if (query.includes("EIO=4&transport=websocket")) return;
    const request = await fetch(`${node.http}/socket.io/?${query.replace("websocket", "polling")}&j=1`);
    expect(request.status).toBe(400);
  });

  test("I16: refuses a second WebSocket of a connection, and one of another version", async () => {
    const node = await startNode();
    const polling = await PollingClient.connect(node.http);
    const other = polling.webSocketUrl.replace("EIO=4", "EIO=3");
    expect(await refusedUpgrade(other)).toMatchObject({ status: 400 });
    const client = await connect(polling.webSocketUrl);
    client.send("2probe");
    expect(await client.nextText()).toBe("3probe");
    expect(await refusedUpgrade(polling.webSocketUrl)).toMatchObject({ status: 400 });
    client.send("5");
    client.send('421["join",{"topics":["a"]}]');
    expect(await client.nextText()).toBe('431[{"ok":true}]');
    expect(await refusedUpgrade(polling.webSocketUrl)).toMatchObject({ status: 400 });
    client.send('422["join",{"topics":["b"]}]');
    expect(await client.nextText()).toBe('432[{"ok":true}]');
  });

  test("I16: refuses polls by script (JSONP), as their origin is unknown", async () => {
    const node = await startNode();
    for (const version of [3, 4]) {
      const answer = await fetch(`${node.http}/socket.io/?EIO=${version}&transport=polling&j=0`);
      expect([answer.status, await answer.json()]).toMatchObject([400, { message: "JSONP is not supported" }]);
    }
  });

  test("I16: answers 405 to other methods", async () => {
    const node = await startNode();
    const { url } = await PollingClient.connect(node.http);
    for (const method of ["PUT", "DELETE", "PATCH"]) {
      const answer = await fetch(url, { method });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, POST, OPTIONS"]);
    }
    const raw = await connectRaw(node.http);
    raw.send("HEAD /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    await raw.gone;
  });
});
