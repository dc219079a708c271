import { execFileSync, spawnSync } from "node:child_process";
import { CarillonError, createWorker } from "../../src/index.js";
import { withResolvers } from "../../src/util/with-resolvers.js";
import { cleanUp } from "../support/clean-up.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { PROGRAM, type RunningNode, runCarillon, startCarillon } from "../support/nodes/process.js";
import { temporaryFile } from "../support/temporary-files.js";

const CONFIG = {
  vhosts: {
    "/": {
      anonymous: { permissions: { join: ["*"], presence: ["*"] } },
      topics: [{ match: "room", presence: true }],
    },
  },
};

interface Started {
  readonly node: RunningNode;
  /** Runs a command against the node. */
  readonly run: (...args: readonly string[]) => ReturnType<typeof runCarillon>;
}

async function start(): Promise<Started> {
  const node = await startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(CONFIG))]);
  const run = (command = "", ...args: readonly string[]) => runCarillon([command, "-s", node.http, ...args]);
  return { node, run };
}

/** Connects a client that has joined topics. */
async function member(node: RunningNode, ...topics: string[]): Promise<TestClient> {
  const client = await connect(`${node.ws}/ws`);
  await client.join(...topics);
  return client;
}

function parseLines(text: string): Readonly<Record<string, unknown>>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}

/** Environment in which completion waits for a busy machine. */
const UNHURRIED = { CARILLON_COMPLETION_TIMEOUT: "10m" };

/** Returns the words that a shell offers for the last one. */
async function complete(...words: readonly string[]) {
  const { stdout } = await runCarillon(["complete", "--", ...words], { environment: UNHURRIED });
  return stdout.split("\n").flatMap((line) => (line.includes("\t") ? [line.split("\t")[0]] : []));
}

test("lists topics with their sessions, by prefix, as a table and as JSON", async () => {
  const { node, run } = await start();
  await member(node, "prices.eur", "room");
  await member(node, "prices.eur", "prices.usd");
  expect(await run("topics")).toEqual({
    code: 0,
    stderr: "",
    stdout: [
      "TOPIC       SESSIONS  BROKER",
      "prices.eur  2         memory",
      "prices.usd  1         memory",
      "room        1         memory",
      "",
    ].join("\n"),
  });
  const listed = await run("topics", "prices.", "--limit", "1", "--json");
  expect(parseLines(listed.stdout)).toEqual([{ topic: "prices.eur", sessions: 2, broker: "memory" }]);
  expect(listed.stderr).toBe("carillon: there are more: --limit 10\n");
  expect(await run("topics", "none")).toEqual({ code: 0, stdout: "", stderr: "carillon: no topics\n" });
});

test("lists clients by topic, prints one with its topics, and disconnects it", async () => {
  const { node, run } = await start();
  await member(node, "other");
  const client = await member(node, "room", "news");
  const [found] = parseLines((await run("connections", "--topic", "room", "--json")).stdout);
  expect(found).toMatchObject({ dialect: "native", address: "127.0.0.1", topicCount: 2 });
  const id = String(found?.["id"]);
  const filtered = async (...options: readonly string[]) => (await run("connections", "--json", ...options)).stdout;
  expect(parseLines(await filtered("--address", "127.", "--dialect", "native"))).toHaveLength(2);
  expect([await filtered("--address", "10."), await filtered("--dialect", "other")]).toEqual(["", ""]);
  const table = (await run("connections")).stdout.split("\n");
  expect(table[0]).toMatch(/^CONNECTION +USER +DIALECT +ADDRESS +TOPICS +CONNECTED +NODE$/);
  expect(table.filter((line) => line.startsWith(id))).toHaveLength(1);
  expect(JSON.parse((await run("connection", id, "--json")).stdout)).toMatchObject({
    id,
    topics: [
      { broker: "memory", topic: "room" },
      { broker: "memory", topic: "news" },
    ],
  });
  expect((await run("connection", id)).stdout).toMatch(
    /^FIELD +VALUE\nid +\S+\n[^]*\naddress +127\.0\.0\.1\n[^]*\n\nTOPIC +BROKER\nroom +memory\nnews +memory\n$/,
  );
  expect(await run("disconnect", id, "--code", "4000", "--reason", "bye")).toEqual({
    code: 0,
    stdout: "1\n",
    stderr: "",
  });
  expect(await client.closed).toEqual({ code: 4_000, reason: "bye" });
  expect(await run("disconnect", "--user", "nobody")).toEqual({ code: 0, stdout: "0\n", stderr: "" });
  expect(await run("connection", id)).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^carillon: /),
  });
});

test("lists the members of a topic with presence, and says why another topic has none", async () => {
  const { node, run } = await start();
  await member(node, "room");
  const { stderr, stdout } = await run("presence", "room");
  expect(stdout).toMatch(/^CONNECTION +USER +JOINED +INFO\n\S+ +20\d\d-\d\d-\d\dT\S+Z +\{\}\n$/);
  expect(stderr).toBe("carillon: connections: 1, users: 1\n");
  expect(await run("presence", "news")).toMatchObject({ code: 1, stdout: "" });
});

test("escapes control characters that a client has chosen, so that terminals do not obey them", async () => {
  const { node, run } = await start();
  await member(node, "red\u202e");
  const { stdout } = await run("topics");
  expect(stdout).toContain("red\\u{202e}");
  expect(parseLines((await run("topics", "--json")).stdout)[0]).toMatchObject({ topic: "red\u202e" });
});

test("calls a worker with a payload from the command line or stdin, and triggers a task", async () => {
  const { node, run } = await start();
  const worker = createWorker({ url: `grpc://${node.grpc}` });
  cleanUp(() => worker.stop({ timeout: 0 }));
  worker.on("add", async (task, answer) => {
    await answer.part("sum:");
    answer(String((task.json() as number[]).reduce((sum, each) => sum + each, 0)));
  });
  await worker.start();
  expect(await run("call", "add", "[2,3]")).toEqual({ code: 0, stdout: "sum:\n5\n", stderr: "" });
  const fromInput = await runCarillon(["call", "-s", node.http, "add"], { input: "[1,1]" });
  expect(fromInput.stdout).toBe("sum:\n2\n");
  expect((await run("call", "add", "[1]", "--trigger")).stdout).toMatch(/^\S+\n$/);
  expect(await run("call", "unknown", "x")).toMatchObject({ code: 3, stdout: "" });
});

test("prints a worker's error as it is, also when it is about a connection of the worker's own", async () => {
  const { node } = await start();
  const worker = createWorker({ url: `grpc://${node.grpc}` });
  cleanUp(() => worker.stop({ timeout: 0 }));
  worker.on("order", () => {
    throw new CarillonError("failed_precondition", "the shop's Protocol error: read ECONNRESET");
  });
  await worker.start();
  for (const server of [node.http, `grpc://${node.grpc}`]) {
    const { code, stderr } = await runCarillon(["call", "-s", server, "order", "x"]);
    expect([code, stderr]).toEqual([1, "carillon: the shop's Protocol error: read ECONNRESET\n"]);
  }
});

test("lists workers with their events and tasks, as a table and as JSON", async () => {
  const { node, run } = await start();
  expect(await run("workers")).toEqual({ code: 0, stdout: "", stderr: "carillon: no workers\n" });
  const worker = createWorker({ url: `grpc://${node.grpc}`, name: "sums", capacity: 3 });
  cleanUp(() => worker.stop({ timeout: 0 }));
  const finish = withResolvers<void>();
  worker.on("add", async (_task, answer) => {
    await finish.promise;
    answer("done");
  });
  worker.on("orders.*", (_task, answer) => answer(""));
  await worker.start();
  const call = run("call", "add", "x", "--timeout", "10m");
  let listed: readonly Readonly<Record<string, unknown>>[] = [];
  while (listed[0]?.["tasks"] !== 1) listed = parseLines((await run("workers", "--json")).stdout);
  expect(listed).toEqual([
    {
      id: expect.any(String),
      name: "sums",
      tasks: 1,
      capacity: 3,
      node: expect.stringMatching(/^[\da-f]{12}$/),
      events: ["add", "orders.*"],
      triggersOnly: false,
    },
  ]);
  expect((await run("workers")).stdout).toMatch(
    /^WORKER +NAME +TASKS +CAPACITY +NODE +EVENTS\n\S+ +sums +1 +3 +[\da-f]{12} +add orders\.\*\n$/,
  );
  expect(await complete("call", "-s", node.http, "")).toEqual(["add"]);
  finish.resolve();
  expect((await call).stdout).toBe("done\n");
});

test("completes topics and connections from the node", async () => {
  const { node, run } = await start();
  await member(node, "prices.eur", "prices.usd", "room");
  expect(await complete("publish", "-s", node.http, "pri")).toEqual(["prices.eur", "prices.usd"]);
  expect(await complete("listen", "-s", node.http, "room", "")).toEqual(["prices.eur", "prices.usd", "room"]);
  expect(await complete("connections", "-s", node.http, "--topic", "ro")).toEqual(["room"]);
  const [{ id } = {}] = parseLines((await run("connections", "--json")).stdout);
  expect(await complete("disconnect", "-s", `grpc://${node.grpc}`, "")).toEqual([id]);
  const environment = { ...UNHURRIED, CARILLON_SERVER: node.http };
  const { stdout } = await runCarillon(["complete", "--", "topics", "roo"], { environment });
  expect(stdout).toMatch(/^room\t/);
  // No node is there, and no words are offered.
  expect(await runCarillon(["complete", "--", "topics", "-s", "127.0.0.1:1", ""])).toMatchObject({
    code: 0,
    stderr: "",
  });
});

test.each([
  [["topics", "--limit", "0"], "Expected a number from 1."],
  [["disconnect"], "expected either the id of a connection or --user"],
  [["disconnect", "a", "--user", "b"], "expected either the id of a connection or --user"],
  [["disconnect", "a", "--code", "1001"], "Expected 1000, or 3000 to 4999."],
  [["call", "a", "b", "--timeout", "11m"], "Expected a duration from 1ms to 10m."],
])("refuses %j without calling a node", async (args, text) => {
  const { code, stderr, stdout } = await runCarillon([...args, "-s", "127.0.0.1:1"]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(text);
});

test("completes commands and options for shells", async () => {
  expect(await complete("pre")).toEqual(["presence"]);
  expect(await complete("topics", "--")).toEqual(expect.arrayContaining(["--limit", "--json", "--server"]));
  expect(await complete("webrocket", "to")).toEqual(["token"]);
});

test("prints a completion script that bash accepts, and refuses an unknown shell", async () => {
  const { code, stdout } = await runCarillon(["completion", "bash"]);
  expect(code).toBe(0);
  execFileSync("bash", ["-n"], { input: stdout });
  // Without bash-completion, and read twice. Words are completed outside of a completion, where compopt fails.
  const session = `${stdout}\n${stdout}
carillon() { "${process.execPath}" "${PROGRAM}" "$@"; }
compopt() { :; }
COMP_WORDS=(carillon pre) COMP_CWORD=1
__carillon_complete
echo "\${COMPREPLY[@]}"`;
  const bash = spawnSync("bash", ["--norc"], { input: session, encoding: "utf8" });
  expect([bash.stdout, bash.stderr]).toEqual(["presence\n", ""]);
  expect(await runCarillon(["completion", "csh"])).toMatchObject({ code: 2, stdout: "" });
});
