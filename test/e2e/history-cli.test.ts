import { publish as publishJson, say } from "../support/backends/publish.js";
import { connect } from "../support/clients/native.js";
import { keepAddress } from "../support/net/kept-address.js";
import { startTcpProxy } from "../support/net/tcp-proxy.js";
import { listen } from "../support/nodes/listen.js";
import { type RunningNode, runCarillon, startCarillon } from "../support/nodes/process.js";
import { temporaryFile } from "../support/temporary-files.js";

const CONFIG = {
  vhosts: { "/": { history: { chat: { messages: 100, age: "5m" } }, topics: [{ match: "room*", history: "chat" }] } },
};

function startNodeWithHistory(...args: readonly string[]): Promise<RunningNode> {
  return startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(CONFIG)), ...args]);
}

/** Publishes a message, by default with its text as the id. Resolves with its position. */
async function publish(node: RunningNode, topic: string, payload: string | Buffer, id = String(payload)) {
  const { receipts } = await publishJson(node, [{ topics: [topic], payload, id }]);
  const position = receipts?.[0]?.position;
  if (position === undefined) throw new Error("the message has no position");
  return position;
}

function jsonLines(text: string): unknown[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

test("R18, H5: carillon publish prints the position, and whether the message is a duplicate", async () => {
  const node = await startNodeWithHistory();
  const first = await runCarillon(["publish", "-s", node.http, "room", "hello", "--id", "m1"]);
  const [, position = ""] = /^m1 stored (\S+)\n$/.exec(first.stdout) ?? [];
  expect(position).toMatch(/^[\w.-]{1,64}$/);
  const again = await runCarillon(["publish", "-s", node.http, "room", "hello", "--id", "m1"]);
  expect(again).toEqual({ code: 0, stdout: `m1 stored ${position} duplicate\n`, stderr: "" });
});

test("R19: carillon history prints the latest messages, oldest first, and how to read on", async () => {
  const node = await startNodeWithHistory();
  const positions = [];
  for (const text of ["1", "2", "3", "4"]) positions.push(await publish(node, "room", text));
  const history = (...args: string[]) => runCarillon(["history", "-s", node.http, "room", ...args]);
  expect(await history()).toEqual({ code: 0, stdout: "1\n2\n3\n4\n", stderr: "" });
  const more = "carillon: there are more messages: ";
  expect(await history("-n", "2")).toEqual({ code: 0, stdout: "3\n4\n", stderr: `${more}--before ${positions[2]}\n` });
  expect(await history("--before", positions[2] ?? "")).toMatchObject({ stdout: "1\n2\n", stderr: "" });
  expect(await history("--after", positions[0] ?? "", "--limit", "2")).toMatchObject({
    stdout: "2\n3\n",
    stderr: `${more}--after ${positions[2]}\n`,
  });
  expect((await history("--since", "10m")).stdout).toBe("1\n2\n3\n4\n");
  expect((await history("--until", "2001-01-01T00:00:00Z")).stdout).toBe("");
});

test("R19, W10: carillon history --json prints what carillon listen --json prints", async () => {
  const node = await startNodeWithHistory();
  const listener = listen(node.ws, "room", "--json");
  await listener.listening;
  await publish(node, "room", "text", "m1");
  await publish(node, "room", Buffer.from([0xff, 0x00]), "m2");
  const heard = [await listener.line(), await listener.line()];
  const { stdout } = await runCarillon(["history", "-s", node.http, "room", "--json"]);
  expect(jsonLines(stdout)).toEqual(heard.map((line) => JSON.parse(line) as unknown));
  expect(stdout.trimEnd().split("\n")).toEqual(heard);
});

test("R20: carillon purge removes the messages, and prints their number", async () => {
  const node = await startNodeWithHistory();
  const position = await publish(node, "room", "1");
  expect(await runCarillon(["purge", "-s", node.http, "room"])).toEqual({ code: 0, stdout: "1\n", stderr: "" });
  expect(await runCarillon(["history", "-s", node.http, "room"])).toEqual({ code: 0, stdout: "", stderr: "" });
  const after = await runCarillon(["history", "-s", node.http, "room", "--after", position]);
  expect(after).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^carillon: expired: /) });
});

test("O8: carillon history and listen print the reason of invalid options, and of topics without history", async () => {
  const node = await startNodeWithHistory();
  for (const [args, code, reason] of [
    [["history", "-s", node.http, "plain"], 1, 'topic: "plain" has no history'],
    [["purge", "-s", node.http, "plain"], 1, 'topic: "plain" has no history'],
    [["history", "-s", node.http, "room", "--limit", "many"], 2, "--limit: expected a number of messages"],
    [["history", "-s", node.http, "room", "--limit", "1001"], 1, "limit: expected at most 1000, got 1001"],
    [["history", "-s", node.http, "room", "--since", "soon"], 2, "--since: expected how long ago, such as 10m"],
    [["listen", "-s", node.http, "room", "room-2", "--since", "m.1"], 2, "--since: a position belongs to one topic"],
    [["listen", "-s", node.http, "room", "--since", "banana"], 2, "--since: expected a number of messages, how"],
    [["listen", "-s", node.http, "room", "--since", "10 minutes"], 2, "--since: expected a number of messages"],
    [["listen", "-s", node.http, "room", "--since", "m"], 2, "--since: expected a number of messages"],
    [["listen", "-s", node.http, "room", "--since", `m.${"x".repeat(63)}`], 1, "a position has at most 64 characters"],
  ] as const) {
    expect([args, await runCarillon(args)]).toEqual([
      args,
      { code, stdout: "", stderr: expect.stringContaining(reason) },
    ]);
  }
});

test("W24, W25: carillon listen --since begins with a number of messages, a moment, or a position", async () => {
  const node = await startNodeWithHistory();
  const [first] = [
    await publish(node, "room", "1"),
    await publish(node, "room", "2"),
    await publish(node, "room", "3"),
  ];
  for (const [since, missed] of [
    ["2", ["2", "3"]],
    ["10m", ["1", "2", "3", "end"]],
    [first, ["2", "3", "end", "end"]],
    ["0", []],
  ] as const) {
    const listener = listen(node.ws, "room", "--since", since);
    await listener.listening;
    for (const text of missed) expect(await listener.line()).toBe(text);
    await say(node, "room", "end");
    expect(await listener.line()).toBe("end");
    listener.child.kill("SIGINT");
    expect(await listener.exited).toBe(0);
  }
  const listener = listen(node.ws, "room", "--since", "m.never.given.out");
  expect(await listener.notes.next()).toBe(
    "carillon: cannot recover missed messages of room: the position is not one of its history (unknown_position)",
  );
  expect(await listener.notes.next()).toBe("carillon: listening to room");
});

test("H2: carillon listen recovers what was published while its connection was lost", async () => {
  const node = await startNodeWithHistory();
  const proxy = await startTcpProxy(Number(new URL(node.http).port));
  const listener = listen(`ws://127.0.0.1:${proxy.port}`, "room", "room-2");
  await listener.listening;
  await publish(node, "room", "1");
  expect(await listener.line()).toBe("room 1");
  proxy.shut();
  await publish(node, "room", "2");
  await publish(node, "room-2", "3");
  await publish(node, "room", "4");
  proxy.open();
  await listener.listeningAgain;
  const recovered = [await listener.line(), await listener.line(), await listener.line()];
  expect(recovered.toSorted()).toEqual(["room 2", "room 4", "room-2 3"]);
  expect(recovered.indexOf("room 2")).toBeLessThan(recovered.indexOf("room 4"));
  await publish(node, "room", "5");
  expect(await listener.line()).toBe("room 5");
});

test("H3: carillon listen says that it cannot recover when the stored messages are gone", async () => {
  const http = await keepAddress();
  const first = await startNodeWithHistory("--http", http);
  const listener = listen(first.ws, "room");
  await listener.listening;
  await publish(first, "room", "1");
  expect(await listener.line()).toBe("1");
  first.child.kill("SIGTERM");
  await first.exited;
  const second = await startNodeWithHistory("--http", http);
  await listener.listeningAgain;
  const notes = listener.notes.unread;
  expect(notes).toContain(
    "carillon: cannot recover missed messages of room: the position is not one of its history (unknown_position)",
  );
  const client = await connect(`${second.ws}/ws`);
  await client.join("room");
  await publish(second, "room", "2");
  expect(await listener.line()).toBe("2");
});
