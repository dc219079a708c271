import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { createWorker } from "../../src/index.js";
import { publish } from "../support/backends/publish.js";
import { cleanUp } from "../support/clean-up.js";
import { connect } from "../support/clients/native.js";
import { listen } from "../support/nodes/listen.js";
import { PROGRAM, type RunningNode, runCarillon, startCarillon } from "../support/nodes/process.js";
import { ifTerminal, Terminal } from "../support/nodes/terminal.js";
import { temporaryFile } from "../support/temporary-files.js";

const CONFIG = {
  vhosts: { "/": { history: { chat: { messages: 10, age: "5m" } }, topics: [{ match: "room", history: "chat" }] } },
};

/** Title of a terminal, red text, a control character of C1, and an override of the direction. */
const HOSTILE = "a\u001b]0;b\u0007\u001b[31mc\u009b1md\u202ee\tf\ng";
const ESCAPED = "a\\u{1b}]0;b\\u{7}\\u{1b}[31mc\\u{9b}1md\\u{202e}e";

function startNode(): Promise<RunningNode> {
  return startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(CONFIG))]);
}

/** Runs a command whose output nobody reads, or goes to a file. Resolves with its exit code and what it prints to stderr. */
async function runUnread(args: readonly string[], stdout: "pipe" | number = "pipe") {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", stdout, "pipe"] });
  child.stdout?.destroy();
  if (child.stderr === null) throw new Error("stderr is not a pipe");
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
  return { code: code as number | null, stderr };
}

test("ends without an error when the reader of the output has closed it", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("room");
  await publish(node, [{ topics: ["room"], payload: "hello" }]);
  const calls = [
    ["--help"],
    ["config", "--print-defaults"],
    ["history", "room", "-s", node.http],
    ["topics", "--json", "-s", node.http],
    ["connections", "-s", node.http],
    ["top", "--interval", "250ms", "-s", node.http],
    ["listen", "room", "--since", "1", "-s", node.http],
  ];
  for (const args of calls) {
    const { code, stderr } = await runUnread(args);
    expect([args[0], code, stderr.replace("carillon: listening to room\n", "")]).toEqual([args[0], 0, ""]);
  }
});

test("exits with 1 and prints the reason when the output cannot be written", async () => {
  const full = openSync("/dev/full", "w");
  cleanUp(() => {
    closeSync(full);
  });
  const { code, stderr } = await runUnread(["config", "--print-defaults"], full);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^carillon: ENOSPC: .*\n$/);
});

test("prints payloads as they are into a pipe, and escapes control characters in JSON", async () => {
  const node = await startNode();
  const listener = listen(node.ws, "room", "--json");
  await listener.listening;
  await publish(node, [{ topics: ["room"], payload: HOSTILE }]);
  expect((await runCarillon(["history", "room", "-s", node.http])).stdout).toBe(`${HOSTILE}\n`);
  const line = await listener.line();
  expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(JSON.parse(line)).toMatchObject({ payload: HOSTILE });
  expect((await runCarillon(["history", "room", "--json", "-s", node.http])).stdout).toBe(`${line}\n`);
});

test("escapes control characters in errors and notes", async () => {
  const node = await startNode();
  const { code, stderr } = await runCarillon(["history", `room${HOSTILE}`, "-s", node.http]);
  expect(code).toBe(1);
  expect(stderr.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

ifTerminal("a terminal", () => {
  test("shows payloads with their control characters escaped", async () => {
    const node = await startNode();
    const worker = createWorker({ url: `grpc://${node.grpc}` });
    cleanUp(() => worker.stop({ timeout: 0 }));
    worker.on("evil", (_task, answer) => answer(HOSTILE));
    await worker.start();
    await publish(node, [{ topics: ["room"], payload: HOSTILE }]);
    const environment = { CARILLON_SERVER: node.http };
    for (const args of [
      ["history", "room"],
      ["call", "evil", "x"],
      ["listen", "room", "other", "--since", "1"],
    ]) {
      const terminal = new Terminal(args, { environment });
      await terminal.shows(/e\s+f\r\ng\r\n/);
      expect(terminal.printed).toContain(ESCAPED);
      for (const control of ["␛", "\u0007", "\u009b", "\u202e"]) expect(terminal.printed).not.toContain(control);
    }
  });
});
