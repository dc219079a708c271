import { setImmediate } from "node:timers/promises";
import { publish, say } from "../../support/backends/publish.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import {
  closeFrame,
  command,
  connectRaw,
  frame,
  OPCODE,
  openRaw,
  type RawClient,
  upgradeRequest,
} from "../../support/raw/client.js";

/** Sends bytes on a new connection and returns the code and reason with which the server closes it. */
async function closedFor(node: TestNode, ...parts: Uint8Array[]): Promise<string> {
  const client = await openRaw(node.http);
  client.send(...parts);
  const close = await client.nextClose();
  client.send(closeFrame(1000));
  await client.gone;
  return close;
}

/** Makes a round trip, so that the server has processed everything sent before. */
async function roundTrip(client: RawClient): Promise<unknown> {
  client.send(command({ command: "leave", topics: ["sentinel"], id: "sentinel" }));
  return (await client.nextJson())["id"];
}

/** Sends single bytes, each after the node, which runs in this process, has read the one before. */
async function sendAlone(client: RawClient, byte: number): Promise<void> {
  client.send(Buffer.from([byte]));
  await setImmediate();
}

const JOIN = JSON.stringify({ command: "join", topics: ["foo"] });
const JOINED = '{"topic":"@join","payload":["foo"]}';

describe("fragmentation", () => {
  test("W1: joins the fragments of a text and answers every ping between them", async () => {
    const node = await startNode();
    const client = await openRaw(node.http);
    client.send(
      frame(OPCODE.text, JOIN.slice(0, 5), { final: false }),
      frame(OPCODE.ping, "one"),
      frame(OPCODE.continuation, JOIN.slice(5, 9), { final: false }),
      frame(OPCODE.ping, ""),
      frame(OPCODE.continuation, "", { final: false }),
      frame(OPCODE.ping, Buffer.alloc(125, 7)),
      frame(OPCODE.continuation, JOIN.slice(9)),
    );
    const pongs = [await client.next(), await client.next(), await client.next()];
    expect(pongs.map(({ opcode }) => opcode)).toEqual([OPCODE.pong, OPCODE.pong, OPCODE.pong]);
    expect(pongs.map(({ payload }) => payload)).toEqual([Buffer.from("one"), Buffer.alloc(0), Buffer.alloc(125, 7)]);
    expect(await client.nextText()).toBe(JOINED);
  });

  test("W1: joins a character that is split between two fragments", async () => {
    const node = await startNode();
    const client = await openRaw(node.http);
    const bytes = Buffer.from('{"command":"join","topics":["ünïcödé-🎐"]}');
    const middle = bytes.indexOf(Buffer.from("🎐")) + 2;
    client.send(
      frame(OPCODE.text, bytes.subarray(0, middle), { final: false }),
      frame(OPCODE.continuation, bytes.subarray(middle)),
    );
    expect(await client.nextJson()).toEqual({ topic: "@join", payload: ["ünïcödé-🎐"] });
  });

  test("W13: answers a command that arrives one byte at a time", async () => {
    const node = await startNode();
    const client = await connectRaw(node.http);
    for (const byte of Buffer.from(upgradeRequest())) await sendAlone(client, byte);
    expect((await client.response()).status).toBe(101);
    for (const byte of frame(OPCODE.text, JOIN)) await sendAlone(client, byte);
    expect(await client.nextText()).toBe(JOINED);
  });

  test("W13: reads frames sent with the upgrade request, before its response", async () => {
    const node = await startNode();
    const client = await connectRaw(node.http);
    await client.upgrade("/ws", frame(OPCODE.text, JOIN), command({ command: "leave", topics: ["foo"] }));
    expect(await client.nextText()).toBe(JOINED);
    expect(await client.nextText()).toBe('{"topic":"@leave","payload":["foo"]}');
  });

  test("W13: joins half a frame sent with the upgrade request to the half sent later", async () => {
    const node = await startNode();
    const client = await connectRaw(node.http);
    const bytes = frame(OPCODE.text, JOIN);
    await client.upgrade("/ws", bytes.subarray(0, 3));
    client.send(bytes.subarray(3));
    expect(await client.nextText()).toBe(JOINED);
  });
});

describe("order", () => {
  test("W13: answers 200 commands of one chunk in order", async () => {
    const node = await startNode({ vhosts: { "/": { client_publish: true } } });
    const client = await openRaw(node.http);
    const kinds = [
      { command: "join", topics: ["foo"] },
      { command: "leave", topics: ["foo"] },
      { command: "call", topics: ["foo"] },
      { command: "publish", topics: ["nobody"], payload: "x" },
    ];
    const ids = Array.from({ length: 200 }, (_, position) => position);
    client.send(...ids.map((id) => command({ ...kinds[id % kinds.length], id })));
    const answered: unknown[] = [];
    for (const _ of ids) answered.push((await client.nextJson())["id"]);
    expect(answered).toEqual(ids);
  });

  test("W13: delivers a publish to its sender after the answer of a join in the same chunk", async () => {
    const node = await startNode({ vhosts: { "/": { client_publish: true } } });
    const client = await openRaw(node.http);
    client.send(
      command({ command: "join", topics: ["foo"] }),
      command({ command: "publish", topics: ["foo"], payload: "1" }),
      command({ command: "leave", topics: ["foo"] }),
      command({ command: "publish", topics: ["foo"], payload: "2" }),
      command({ command: "join", topics: ["foo"], id: "last" }),
    );
    const topics: unknown[] = [];
    for (let id: unknown; id !== "last"; ) {
      const received = await client.nextJson();
      id = received["id"];
      topics.push(received["topic"]);
    }
    expect(topics.filter((topic) => topic !== "foo")).toEqual(["@join", "@publish", "@leave", "@publish", "@join"]);
    expect(topics.filter((topic) => topic === "foo")).toHaveLength(1);
    expect(topics.indexOf("foo")).toBeLessThan(topics.indexOf("@leave"));
  });

  test("W13: executes more pipelined commands than one read holds, in order", async () => {
    const node = await startNode();
    const client = await openRaw(node.http);
    const topic = "t".repeat(200);
    const ids = Array.from({ length: 3_000 }, (_, position) => position);
    client.send(...ids.map((id) => command({ command: id % 2 === 0 ? "join" : "leave", topics: [topic], id })));
    for (const id of ids) expect(await client.nextJson()).toMatchObject({ id });
  });
});

describe("binary frames", () => {
  test("W1: executes a command in a binary frame", async () => {
    const node = await startNode();
    const client = await openRaw(node.http);
    client.send(frame(OPCODE.binary, JOIN));
    expect(await client.nextText()).toBe(JOINED);
  });

  test("W1: closes with 1007 on a binary frame that is not UTF-8, after answering earlier commands", async () => {
    const node = await startNode();
    const client = await openRaw(node.http);
    client.send(frame(OPCODE.text, JOIN));
    expect(await client.nextText()).toBe(JOINED);
    client.send(frame(OPCODE.binary, Buffer.from([0xc3, 0x28])), frame(OPCODE.text, JOIN));
    expect(await client.nextClose()).toBe("1007 binary frames must contain UTF-8");
  });
});

describe("violations", () => {
  const bad = Buffer.from([0x22, 0xff, 0xfe, 0x22]);
  test.each([
    ["an unmasked frame", 1002, [frame(OPCODE.text, JOIN, { masked: false })]],
    ["an unmasked close frame", 1002, [frame(OPCODE.close, "", { masked: false })]],
    ["reserved bit 1", 1002, [frame(OPCODE.text, JOIN, { reserved: 4 })]],
    ["reserved bit 2", 1002, [frame(OPCODE.text, JOIN, { reserved: 2 })]],
    ["reserved bit 3", 1002, [frame(OPCODE.ping, "", { reserved: 1 })]],
    ["reserved data opcode 3", 1002, [frame(3, JOIN)]],
    ["reserved control opcode 11", 1002, [frame(11, "")]],
    ["a continuation without a first fragment", 1002, [frame(OPCODE.continuation, JOIN)]],
    ["a text inside a text", 1002, [frame(OPCODE.text, "{", { final: false }), frame(OPCODE.text, JOIN)]],
    ["a ping in fragments", 1002, [frame(OPCODE.ping, "x", { final: false })]],
    ["a ping of 126 bytes", 1002, [frame(OPCODE.ping, Buffer.alloc(126))]],
    ["a close frame of one byte", 1002, [frame(OPCODE.close, Buffer.alloc(1))]],
    ["a close frame with 1005", 1002, [closeFrame(1005)]],
    ["a close frame with 1006", 1002, [closeFrame(1006)]],
    ["a close frame with 999", 1002, [closeFrame(999)]],
    ["a close frame with 5000", 1002, [closeFrame(5000)]],
    ["a close frame whose reason is not UTF-8", 1007, [frame(OPCODE.close, Buffer.from([0x03, 0xe8, 0xff]))]],
    ["a text that is not UTF-8", 1007, [frame(OPCODE.text, bad)]],
    ["a lone surrogate", 1007, [frame(OPCODE.text, Buffer.from([0xed, 0xa0, 0x80]))]],
    [
      "a text whose joined fragments are not UTF-8",
      1007,
      [
        frame(OPCODE.text, Buffer.from([0xf0, 0x9f]), { final: false }),
        frame(OPCODE.continuation, Buffer.from([0x41])),
      ],
    ],
  ])("L3: on %s closes with %i", async (_, code, parts) => {
    const node = await startNode();
    expect(await closedFor(node, ...parts)).toBe(String(code));
  });

  test("L3: closes only the violating connection, and executes nothing after the violation", async () => {
    const node = await startNode();
    const [good, evil] = [await openRaw(node.http), await openRaw(node.http)];
    await good.join("foo");
    evil.send(frame(OPCODE.text, JOIN, { masked: false }), frame(OPCODE.text, JOIN));
    expect(await evil.nextClose()).toBe("1002");
    await say(node, "foo", "hi");
    expect(await good.nextText()).toBe('{"topic":"foo","payload":"hi"}');
  });
});

/** Creates the fragments of a text that starts with `{`, except the last of them. */
function fragments(count: number): Buffer[] {
  const middle = Array.from({ length: count - 2 }, () => frame(OPCODE.continuation, " ", { final: false }));
  return [frame(OPCODE.text, "{", { final: false }), ...middle];
}

describe("size", () => {
  test("L3: closes with 1009 at once when a header claims too many bytes", async () => {
    const node = await startNode({ limits: { frame: "64KiB" } });
    for (const claims of [65_537n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 63n - 1n, 2n ** 64n - 1n]) {
      // Only the header is sent, so the server cannot wait for the payload.
      const header = frame(OPCODE.text, "", { claims });
      expect(await closedFor(node, header)).toBe("1009");
    }
  });

  test("L3: allocates no memory for bytes that a header claims", async () => {
    const node = await startNode({ limits: { frame: "64MiB", receiving: "512MiB" } });
    const clients = await Promise.all(Array.from({ length: 20 }, () => openRaw(node.http)));
    const before = process.memoryUsage();
    for (const client of clients) {
      client.send(
        frame(OPCODE.ping, "read"),
        frame(OPCODE.text, "{", { claims: 64n * 1024n * 1024n }),
        Buffer.from("{"),
      );
      expect((await client.next()).opcode).toBe(OPCODE.pong);
    }
    const after = process.memoryUsage();
    // The headers claim 1.25 GiB.
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(32 * 1024 * 1024);
    expect(after.rss - before.rss).toBeLessThan(256 * 1024 * 1024);
  });

  test("L3: reads a frame of exactly the limit, and closes with 1009 on one byte more", async () => {
    const node = await startNode({ limits: { frame: "64KiB" } });
    const client = await openRaw(node.http);
    client.send(frame(OPCODE.text, JOIN.padEnd(65_536)));
    expect(await client.nextText()).toBe(JOINED);
    client.send(frame(OPCODE.text, JOIN.padEnd(65_537)));
    expect(await client.nextClose()).toBe("1009");
  });

  test("L3: closes with 1009 when fragments are too large together", async () => {
    const node = await startNode({ limits: { frame: "64KiB" } });
    const client = await openRaw(node.http);
    client.send(frame(OPCODE.text, " ".repeat(40_000), { final: false }));
    client.send(frame(OPCODE.continuation, " ".repeat(40_000), { final: false }));
    expect(await client.nextClose()).toBe("1009");
  });

  test("L3: closes with 1008 on more fragments than one for each KiB of the limit", async () => {
    const node = await startNode({ limits: { frame: "256KiB" } });
    const client = await openRaw(node.http);
    client.send(...fragments(256), frame(OPCODE.continuation, JOIN.slice(1)));
    expect(await client.nextText()).toBe(JOINED);
    client.send(...fragments(257), frame(OPCODE.continuation, JOIN.slice(1)));
    expect(await client.nextClose()).toBe("1008");
  });

  test.each([[125], [126], [65_535], [65_536], [70_000]])(
    "W4: delivers a message whose frame holds %i bytes",
    async (bytes) => {
      const node = await startNode();
      const client = await openRaw(node.http);
      await client.join("foo");
      const payload = "x".repeat(bytes - '{"topic":"foo","payload":""}'.length);
      await say(node, "foo", payload);
      const received = await client.next();
      expect(received.payload).toHaveLength(bytes);
      expect(received.payload.toString()).toBe(`{"topic":"foo","payload":"${payload}"}`);
    },
  );
});

describe("close", () => {
  test.each([
    ["1000", closeFrame(1000, "bye"), "1000 bye"],
    ["1001", closeFrame(1001), "1001"],
    ["3000", closeFrame(3000), "3000"],
    ["4999", closeFrame(4999), "4999"],
    ["no code", closeFrame(), ""],
  ])("L3: answers a close frame with %s by the same code, and ends the connection", async (_, close, answer) => {
    const node = await startNode();
    const client = await openRaw(node.http);
    client.send(close);
    expect(await client.nextClose()).toBe(answer);
    await client.ended();
  });

  test("L3: survives connections that end within a frame", async () => {
    const node = await startNode();
    const other = await openRaw(node.http);
    for (const cut of [1, 3, 5, 12]) {
      const client = await openRaw(node.http);
      client.send(frame(OPCODE.text, JOIN).subarray(0, cut));
      client.socket.end();
      await client.gone;
      const reset = await openRaw(node.http);
      reset.send(frame(OPCODE.text, JOIN).subarray(0, cut));
      reset.socket.resetAndDestroy();
      await reset.gone;
    }
    expect(await roundTrip(other)).toBe("sentinel");
  });

  test("W7: answers the tenth malformed frame in a row, then closes with 1008 and reads no further frame", async () => {
    const node = await startNode();
    const client = await openRaw(node.http);
    const nonsense = Array.from({ length: 15 }, () => frame(OPCODE.text, "nonsense"));
    client.send(...nonsense, frame(OPCODE.text, JOIN));
    for (let count = 0; count < 10; count += 1) {
      expect(await client.nextText()).toBe('{"topic":"#error","payload":["the frame is not JSON"]}');
    }
    expect(await client.nextClose()).toBe("1008 too many malformed frames");
  });

  test("W7: restarts the count of malformed frames after a command", async () => {
    const node = await startNode();
    const client = await openRaw(node.http);
    const nonsense = Array.from({ length: 9 }, () => frame(OPCODE.text, "[]"));
    client.send(...nonsense, frame(OPCODE.text, JOIN), ...nonsense);
    const topics: unknown[] = [];
    for (let count = 0; count < 19; count += 1) topics.push((await client.nextJson())["topic"]);
    expect(topics.filter((topic) => topic === "@join")).toHaveLength(1);
    expect(await roundTrip(client)).toBe("sentinel");
  });

  test("O3: sends nothing to a client after its close frame", async () => {
    const node = await startNode();
    const [client, other] = [await openRaw(node.http), await openRaw(node.http)];
    await client.join("foo");
    await other.join("foo");
    client.send(closeFrame(1000));
    expect(await client.nextClose()).toBe("1000");
    await publish(node, [{ topics: ["foo"], payload: "late" }]);
    expect(await other.nextText()).toContain("late");
    await client.ended();
    await expect(client.next()).rejects.toThrow("the connection ended");
  });
});
