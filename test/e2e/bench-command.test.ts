import { configuredKey } from "../support/backends/backend.js";
import { say } from "../support/backends/publish.js";
import { cleanUp } from "../support/clean-up.js";
import { connect } from "../support/clients/native.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { PROGRAM, runCarillon } from "../support/nodes/process.js";
import { Program } from "../support/nodes/program.js";
import { ifTerminal, Terminal } from "../support/nodes/terminal.js";

interface Result {
  readonly clients: { readonly connected: number; readonly retried: number; readonly closed: Record<string, number> };
  readonly published: { readonly messages: number; readonly failed: number };
  readonly delivered: Readonly<Record<"messages" | "lost" | "duplicated" | "misordered", number>>;
  readonly latencyMs: Readonly<Record<string, number>> | null;
  readonly confirmationMs: Readonly<Record<string, number>> | null;
  readonly interrupted: boolean;
}

function bench(node: TestNode, ...args: readonly string[]) {
  return runCarillon(["bench", "-s", node.http, ...args]);
}

async function measure(node: TestNode, ...args: readonly string[]) {
  const { code, stderr, stdout } = await bench(node, "--json", ...args);
  return { code, stderr, result: JSON.parse(stdout) as Result };
}

/** Starts a bench that publishes until it is interrupted. */
function startBench(node: TestNode, ...args: readonly string[]): Program {
  const all = [PROGRAM, "bench", "-s", node.http, "-d", "1h", "--json", "--topic", "load", ...args];
  const program = new Program(process.execPath, all, { folder: ".", environment: { PATH: process.env["PATH"] } });
  cleanUp(() => program.stop("SIGKILL"));
  return program;
}

/** Ends a bench by Ctrl+C. */
async function interrupt(program: Program) {
  const code = await program.stop("SIGINT");
  return { code, result: JSON.parse(program.stdout) as Result };
}

test("prints what it has measured, and exits with 0 when nothing is lost", async () => {
  const node = await startNode();
  const { code, stderr, stdout } = await bench(node, "-n", "10", "-r", "50", "-d", "500ms");
  expect([code, stderr]).toEqual([0, ""]);
  const times = String.raw`p50 [\d.]+ ms, p90 [\d.]+ ms, p99 [\d.]+ ms, p99\.9 [\d.]+ ms, max [\d.]+ ms`;
  expect(stdout).toMatch(/^clients +10 connected in [\d.]+ s \([\d,]+\/s\)$/m);
  expect(stdout).toMatch(/^published +25 messages of 100 B on 1 topic in [\d.]+ s \(\d+\/s\)$/m);
  expect(stdout).toMatch(/^delivered +250 messages \(\d+\/s\)$/m);
  expect(stdout).toMatch(new RegExp(`^latency +${times}$`, "m"));
  expect(stdout).toMatch(new RegExp(`^confirmation +${times}$`, "m"));
  expect(stdout).toMatch(/^faults +0 lost, 0 duplicated, 0 misordered$/m);
});

test("spreads clients over threads, topics and addresses, and messages over publishers", async () => {
  const node = await startNode();
  const { grpc, http } = node;
  const spread = ["-n", "10", "--topics", "4", "--publishers", "3", "--threads", "2", "--connect-rate", "1000"];
  const { code, result } = await measure(
    node,
    ...spread,
    "-r",
    "100",
    "-d",
    "1s",
    "--size",
    "2000",
    "--clients-at",
    http,
    http,
  );
  // Each topic has 2 or 3 clients. The publishers' shares of 34, 33 and 33 begin with the first topic.
  const perTopic = [27, 25, 24, 24];
  const messages = perTopic.reduce((sum, count, topic) => sum + count * (topic < 2 ? 3 : 2), 0);
  expect(code).toBe(0);
  expect(result).toMatchObject({
    clients: { connected: 10, retried: 0, closed: {} },
    published: { messages: 100, failed: 0, bytes: 2_000, topics: 4 },
    delivered: { messages, lost: 0, duplicated: 0, misordered: 0 },
    interrupted: false,
  });
  const { max = 0, p50 = 0, p99 = 0 } = result.latencyMs ?? {};
  expect(p50).toBeGreaterThan(0);
  expect(p99).toBeGreaterThanOrEqual(p50);
  expect(max).toBeGreaterThanOrEqual(p99);
  const split = await runCarillon(["bench", "-s", `grpc://${grpc}`, "--clients-at", http, "-n", "2", "-d", "100ms"]);
  expect(split.code).toBe(0);
});

test("counts repeated and misordered messages, and exits with 1", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("load.0");
  const program = startBench(node, "-n", "3", "-r", "20");
  const { payload } = await client.next();
  const [publisher, , due] = String(payload).split(" ");
  await say(node, "load.0", String(payload));
  // Every later message has a lower number than this one.
  await say(node, "load.0", `${publisher} 1000000 ${due} `);
  let isMarked = false;
  while (!isMarked) isMarked = String((await client.next()).payload).includes(" 1000000 ");
  await client.next();
  await client.next();
  const { code, result } = await interrupt(program);
  expect(code).toBe(1);
  expect(result.delivered.duplicated).toBe(3);
  expect(result.delivered.misordered).toBeGreaterThanOrEqual(3);
});

test("counts messages that disconnected clients have lost, says why they were closed, and exits with 1", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("load.0");
  const program = startBench(node, "-n", "2", "-r", "20");
  await client.next();
  const { stdout } = await runCarillon(["connections", "-s", node.http, "--topic", "load.0", "--json"]);
  const ids = stdout
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { readonly id: string }).id);
  // The newest connections are the last ones.
  await runCarillon(["disconnect", "-s", node.http, ids.at(-1) ?? "", "--reason", "enough"]);
  // Joined after the disconnect, so that it hears only messages that the closed client misses.
  const late = await connect(`${node.ws}/ws`);
  await late.join("load.0");
  for (let count = 0; count < 5; count += 1) await late.next();
  const { code, result } = await interrupt(program);
  expect(code).toBe(1);
  expect(result.clients.closed).toEqual({ "4403 enough": 1 });
  expect(result.delivered.lost).toBeGreaterThanOrEqual(4);
  expect(result.delivered.lost).toBeLessThan(result.published.messages);
});

test("prints the partial result on Ctrl+C, also while clients connect", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("load.0");
  const program = startBench(node, "-n", "2", "-r", "20");
  for (let count = 0; count < 3; count += 1) await client.next();
  const { code, result } = await interrupt(program);
  expect([code, result.interrupted, result.delivered.lost]).toEqual([0, true, 0]);
  expect(result.published.messages).toBeGreaterThanOrEqual(3);
  expect(result.delivered.messages).toBe(2 * result.published.messages);

  const slow = startBench(node, "-n", "1000", "--connect-rate", "10");
  let listed = 0;
  while (listed < 3) {
    const { stdout } = await runCarillon(["topics", "-s", node.http, "load.", "--json"]);
    listed = stdout === "" ? 0 : (JSON.parse(stdout) as { readonly sessions: number }).sessions;
  }
  const early = await interrupt(slow);
  expect([early.code, early.result.interrupted, early.result.published.messages]).toEqual([0, true, 0]);
  expect(early.result.clients.connected).toBeGreaterThanOrEqual(2);
  expect(early.result.clients.connected).toBeLessThan(1_000);
});

test("says how many clients are possible when too few files may be open", async () => {
  const node = await startNode();
  const { code, stderr, stdout } = await runCarillon(["bench", "-s", node.http, "-n", "500"], { openFiles: 256 });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toBe(
    "carillon: 500 clients need 551 open files, but this process may have 256: at most 205 clients are possible; " +
      "raise the limit with: ulimit -n 551\n",
  );
});

test("says why clients cannot connect, or why nothing can be published", async () => {
  const keys = [configuredKey("secret", { actions: ["publish"] })];
  const open = { keys, anonymous: { connect: true, permissions: { join: ["*"] } } };
  const node = await startNode({
    vhosts: { "/": open, "/closed": { topics: [{ match: "*", access: "private" }] } },
  });
  const unknown = await bench(node, "-n", "2", "--token", "nonsense");
  expect([unknown.code, unknown.stderr]).toEqual([
    1,
    expect.stringMatching(/^carillon: 0 of 2 clients connected, then: the server answers 401: \S/),
  ]);
  const closed = await bench(node, "-n", "2", "--vhost", "/closed");
  expect([closed.code, closed.stderr]).toEqual([1, expect.stringMatching(/then: .*bench\./)]);
  const refused = await bench(node, "-n", "2");
  expect([refused.code, refused.stdout, refused.stderr]).toEqual([1, "", expect.stringMatching(/key/)]);
  const accepted = await bench(node, "-n", "2", "-d", "100ms", "--key", "secret");
  expect([accepted.code, accepted.stderr]).toEqual([0, ""]);
  const absent = await runCarillon(["bench", "-s", "127.0.0.1:1", "-n", "2"]);
  expect([absent.code, absent.stderr]).toEqual([
    3,
    expect.stringMatching(/^carillon: 0 of 2 clients connected, then: connect ECONNREFUSED 127\.0\.0\.1:1; is a node/),
  ]);
});

test("connects clients again that the node refuses for now", async () => {
  const node = await startNode({ admission: { rate: 5 } });
  const { code, result } = await measure(node, "-n", "12", "-d", "100ms");
  expect([code, result.clients.connected]).toEqual([0, 12]);
  expect(result.clients.retried).toBeGreaterThan(0);
});

test.each([
  [["--clients", "0"], "Expected a whole number from 1 to 1000000."],
  [["--size", "39"], "Expected a number of bytes from 40 to 1048576."],
  [["--duration", "5"], "Expected a duration from 100ms to 1d."],
  [["--publishers", "65"], "Expected a whole number from 1 to 64."],
  [["--clients-at", "ftp://foo"], "Expected an address such as http://127.0.0.1:8080"],
  [["-s", "grpc://127.0.0.1:1"], "--server: clients need an address with http:// or https://"],
])("refuses %j", async (args, text) => {
  const { code, stderr } = await runCarillon(["bench", ...args]);
  expect([code, stderr]).toEqual([2, expect.stringContaining(text)]);
});

ifTerminal("on a terminal", () => {
  test("shows a progress bar that disappears at the end", async () => {
    const node = await startNode();
    const terminal = new Terminal(["bench", "-s", node.http, "-n", "5", "-d", "5s", "-r", "20"]);
    await terminal.shows(/\r␛\[Kpublishing .*█.*░ \d s, \d+\/s, p99 [\d.]+ ms/);
    await terminal.shows(/\r␛\[K␛\[1mclients {5}␛\[22m {2}5 connected/);
    expect(await terminal.exited).toBe(0);
    expect(terminal.printed).toMatch(/connecting .*░ \d of 5, \d+\/s/);
  });

  test("uses no colour with NO_COLOR, and ends by Ctrl+C", async () => {
    const node = await startNode();
    const terminal = new Terminal(["bench", "-s", node.http, "-n", "5", "-d", "1h"], {
      environment: { NO_COLOR: "1" },
    });
    await terminal.shows(/publishing ░+ \d+ s/);
    terminal.type("\u0003");
    await terminal.shows(/interrupted: the result is partial/);
    expect(await terminal.exited).toBe(0);
    expect(terminal.printed).not.toContain("␛[1m");
    expect(terminal.printed).not.toContain("␛[32m");
  });
});
