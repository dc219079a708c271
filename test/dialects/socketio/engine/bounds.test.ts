import { once } from "node:events";
import { publish, say } from "../../../support/backends/publish.js";
import { connect } from "../../../support/clients/native.js";
import { type EngineVersion, PollingClient } from "../../../support/clients/polling.js";
import { connectStock } from "../../../support/clients/socket-io.js";
import { metric, untilMetric, untilNone } from "../../../support/nodes/metrics.js";
import { startNode } from "../../../support/nodes/node.js";
import { connectRaw, frame, OPCODE, openRaw } from "../../../support/raw/client.js";

const CONNECTIONS = "carillon_connections";

describe.each<EngineVersion>([4, 3])("O6: Engine.IO %i", (version) => {
  const path = `/socket.io/?EIO=${version}&transport=websocket`;
  const OUTBOX = 256 * 1024;
  const text = "x".repeat(65_536);

  test("O6: disconnects a client that does not read, and serves others in order", async () => {
    const node = await startNode({ limits: { outbox: "256KiB" } });
    const slow = await openRaw(node.http, path);
    const quick = await connectStock(node.http, { transports: ["websocket"] });
    await slow.next();
    if (version === 4) slow.send(frame(OPCODE.text, "40"));
    await slow.next();
    slow.send(frame(OPCODE.text, '421["join",{"topics":["a"]}]'));
    await slow.next();
    await quick.ask("join", { topics: ["a"] });
    slow.socket.pause();
    let count = 0;
    while ((await metric(node, 'carillon_connections_closed_total{code="1013"}')) === 0) {
      for (let more = 0; more < 8; more += 1) {
        await say(node, "a", JSON.stringify({ count, text }));
        expect(await quick.heard.next()).toMatchObject({ value: { count } });
        count += 1;
      }
    }
    expect(await metric(node, 'carillon_drops_total{reason="slow_consumer"}')).toBeGreaterThan(0);
    expect(await metric(node, CONNECTIONS)).toBe(1);
  });

  test("O6: disconnects a client that does not poll", async () => {
    const node = await startNode({ limits: { outbox: "256KiB" } });
    const slow = await PollingClient.connect(node.http, "", version);
    await slow.send('421["join",{"topics":["a"]}]');
    expect(await slow.next()).toBe('431[{"ok":true}]');
    for (let count = 0; count < OUTBOX / 65_536 + 4; count += 1) await say(node, "a", text);
    await untilMetric(node, 'carillon_connections_closed_total{code="1013"}', 1);
  });

  test("O6: drops messages for a slow client by the topic's rule, notifies it, and continues", async () => {
    const node = await startNode({
      limits: { outbox: "256KiB" },
      vhosts: { "/": { topics: [{ match: "a", slow_consumer: "latest" }] } },
    });
    const slow = await PollingClient.connect(node.http, "", version);
    await slow.send('421["join",{"topics":["a"]}]');
    expect(await slow.next()).toBe('431[{"ok":true}]');
    const numbers: number[] = [];
    for (let count = 0; count < 20; count += 1) await say(node, "a", JSON.stringify({ count, text }));
    let missed = 0;
    while (numbers.at(-1) !== 19) {
      const [event, value] = JSON.parse((await slow.next()).slice(2)) as [string, { count: number; missed: number }];
      if (event === "lagged") missed += value.missed;
      else numbers.push(value.count);
    }
    expect(numbers.length + missed).toBe(20);
    expect(missed).toBeGreaterThan(0);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  test("O6: ends a connection with unread answers", async () => {
    const node = await startNode();
    const flood = await openRaw(node.http, path);
    await flood.next();
    flood.socket.pause();
    const packet = `40/${"a".repeat(250)},`;
    while (!flood.socket.closed) {
      for (let more = 0; more < 1_000; more += 1) flood.send(frame(OPCODE.text, packet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await metric(node, CONNECTIONS)).toBe(0);
  });

  test("O6: disconnects a client that polls on new connections and reads nothing", async () => {
    const node = await startNode({ limits: { outbox: "256KiB" } });
    const client = await PollingClient.connect(node.http, "", version);
    const topics = Array.from({ length: 10 }, (_, at) => `t${at}`);
    await client.send(`421["join",${JSON.stringify({ topics })}]`);
    expect(await client.next()).toBe('431[{"ok":true}]');
    // More than the socket buffers of both ends hold for one connection.
    const message = { topics, payload: "x".repeat(900_000) };
    for (let time = 0; time < 2; time += 1) {
      const { socket } = await connectRaw(node.http);
      socket.pause();
      socket.write(`GET ${client.url.slice(node.http.length)} HTTP/1.1\r\nHost: test\r\n\r\n`);
      expect((await publish(node, [message, message])).ok).toBe(true);
    }
    await untilMetric(node, 'carillon_connections_closed_total{code="1013"}', 1);
    expect(await metric(node, CONNECTIONS)).toBe(0);
  });

  test("O6: ends a connection with too many packets in one request, and executes none of them", async () => {
    const node = await startNode();
    const client = await PollingClient.connect(node.http, "", version);
    const packets = Array.from({ length: 5_001 }, () => '42["call"]');
    await client.send(...packets).catch(() => {});
    await untilMetric(node, 'carillon_connections_closed_total{code="1008"}', 1);
    expect((await fetch(client.url)).status).toBe(400);
    expect(await metric(node, "carillon_commands_total")).toBe(0);
  });

  test("O6: ends a connection with unread refusals", async () => {
    const node = await startNode();
    const client = await PollingClient.open(node.http, version);
    await client.send(...Array.from({ length: 4_900 }, () => "40/nope,")).catch(() => {});
    expect((await fetch(client.url)).status).toBe(400);
  });

  test("O6: serves other clients while many events of one client are executed", async () => {
    const node = await startNode({ vhosts: { "/": { limits: { commands_per_second: "off" } } } });
    const client = await PollingClient.connect(node.http, "", version);
    const events = Array.from({ length: 4_900 }, (_, at) => `42${at}["leave",{"topics":["a"]}]`);
    let turns = 0;
    let over = false;
    const turn = (): void => {
      turns += 1;
      if (!over) setImmediate(turn);
    };
    turn();
    expect(await client.send(...events)).toBe(200);
    for (let at = 0; at < events.length; at += 1) expect(await client.next()).toBe(`43${at}[{"ok":true}]`);
    over = true;
    expect(turns).toBeGreaterThan(10_000 / 256);
  });

  test("I15: disconnects a silent client that changes its transport", async () => {
    const node = await startNode({ ping: { interval: "1s", timeout: "500ms" } });
    const polling = await PollingClient.connect(node.http, "", version);
    // With Engine.IO 4 the node has sent a ping.
    if (version === 4) await polling.poll();
    const client = await connect(polling.webSocketUrl);
    client.send("2probe");
    expect(await client.nextText()).toBe("3probe");
    client.send("5");
    await client.closed;
    await untilMetric(node, 'carillon_connections_closed_total{code="1011"}', 1);
  });

  test("O6: bounds the events that wait behind others", async () => {
    const node = await startNode({ limits: { frame: "4KiB" } });
    const client = await PollingClient.connect(node.http, "", version);
    const events = Array.from({ length: 30 }, (_, at) => `42${at}["join",{"topics":["t${at}"]}]`);
    expect(await client.send(...events)).toBe(200);
    for (let at = 0; at < events.length; at += 1) expect(await client.next()).toBe(`43${at}[{"ok":true}]`);
    expect(await client.send("x".repeat(5_000))).toBe(413);
  });

  test("I15: sends acknowledgements, messages and bytes in one answer to a poll", async () => {
    const node = await startNode();
    const client = await PollingClient.connect(node.http, "", version);
    await client.send('421["join",{"topics":["a"]}]');
    expect(await client.next()).toBe('431[{"ok":true}]');
    await say(node, "a", "1");
    await say(node, "a", "2");
    expect(await client.next()).toBe('42["message",1]');
    expect(await client.next()).toBe('42["message",2]');
    expect(await client.send("41")).toBe(200);
    await untilMetric(node, 'carillon_connections_closed_total{code="1000"}', 1);
  });

  test("O6: counts a body in the node's budget until the request is answered", async () => {
    const node = await startNode({
      limits: { receiving: "4MiB", request: "256KiB", frame: "256KiB", payload: "64KiB" },
    });
    // One address may use a quarter of the budget: these requests hold nearly all of it.
    const held = await Promise.all(
      [1, 2, 3, 4, 5].map(async (count) => {
        const { url } = await PollingClient.connect(node.http, "", version);
        const raw = await connectRaw(node.http);
        const target = url.slice(node.http.length);
        raw.send(`POST ${target} HTTP/1.1\r\nHost: test\r\nContent-Length: 200001\r\n\r\n${"x".repeat(200_000)}`);
        while ((await metric(node, "carillon_receiving_bytes")) < count * 200_000);
        return raw;
      }),
    );
    const packet = `42["join",{"topics":["a"],"x":"${"x".repeat(60_000)}"}]`;
    const refused = await PollingClient.connect(node.http, "", version);
    expect(await refused.send(packet)).toBe(429);
    // The packets of the refused request are lost, so the node ends the connection.
    await expect(refused.poll()).rejects.toThrow("400");
    for (const { socket } of held) socket.destroy();
    await untilNone(node, "carillon_receiving_bytes");
    const good = await PollingClient.connect(node.http, "", version);
    expect(await good.send(packet)).toBe(200);
    await untilNone(node, "carillon_receiving_bytes");
  });

  test("O6: reads and drops the rest of a too large request", async () => {
    const node = await startNode({ limits: { frame: "4KiB" } });
    const { url } = await PollingClient.connect(node.http, "", version);
    const raw = await connectRaw(node.http);
    raw.send(`POST ${url.slice(node.http.length)} HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n`);
    raw.send("x".repeat(10_000));
    const [answer] = (await once(raw.socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 413/);
    raw.send("x".repeat(89_999));
    raw.send("x");
    await untilNone(node, "carillon_receiving_bytes");
    expect((await fetch(`${node.http}/healthz`)).status).toBe(200);
  });

  test("O6: limits an answer's packets to the number that Python's clients accept, and keeps attachments with their event", async () => {
    const node = await startNode();
    const client = await PollingClient.connect(node.http, "", version);
    await client.send('421["join",{"topics":["a"]}]');
    expect(await client.next()).toBe('431[{"ok":true}]');
    const payloads = Array.from({ length: 40 }, (_, at) => (at % 3 === 0 ? Uint8Array.of(255, at) : String(at)));
    await publish(
      node,
      payloads.map((payload) => ({ topics: ["a"], payload })),
    );
    const packets: string[] = [];
    while (packets.length < 54) {
      const answer = await client.poll();
      expect(answer.length).toBeLessThanOrEqual(16);
      expect(answer[0]).toMatch(/^4/);
      packets.push(...answer);
    }
    expect(packets.filter((packet) => packet.startsWith("42")).map((packet) => packet.slice(2))).toEqual(
      payloads.filter((payload) => typeof payload === "string").map((payload) => `["message",${payload}]`),
    );
    const mark = version === 3 ? "b4" : "b";
    expect(packets.filter((packet) => packet.startsWith("b"))).toEqual(
      payloads
        .filter((payload) => typeof payload !== "string")
        .map((payload) => mark + Buffer.from(payload).toString("base64")),
    );
  });
});
