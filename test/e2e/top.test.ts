import { configuredKey } from "../support/backends/backend.js";
import { say } from "../support/backends/publish.js";
import { connect } from "../support/clients/native.js";
import { startTwoNatsNodes } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { keepAddress } from "../support/net/kept-address.js";
import { startNode } from "../support/nodes/node.js";
import { runCarillon, startCarillon } from "../support/nodes/process.js";
import { ifTerminal, Terminal } from "../support/nodes/terminal.js";

interface Reading {
  readonly node: string;
  readonly nodes: readonly {
    readonly id: string;
    readonly connections: number;
    readonly messagesIn: number;
    readonly rates: Readonly<Record<string, number>>;
  }[];
  readonly missingNodes: readonly string[];
}

const HEAD =
  /^NODE +STATE +CLIENTS +TOPICS +SLOW +IN\/S +OUT\/S +OUT B\/S +DROPS\/S +CPU +LOOP P99 +MEMORY +WORKERS +UPTIME +VERSION$/;

async function startTwo() {
  const nats = await startNats();
  const [one, two] = await startTwoNatsNodes(nats.url);
  const client = await connect(`${two.ws}/ws`);
  await client.join("news");
  return { one, two };
}

test("prints one reading of all nodes with --once, as a table and as JSON, without colour in a pipe", async () => {
  const { one, two } = await startTwo();
  const table = await runCarillon(["top", "-s", one.http, "--once", "--interval", "250ms"]);
  expect([table.code, table.stderr]).toEqual([0, ""]);
  const [title, totals, , head = "", ...nodes] = table.stdout.trimEnd().split("\n");
  expect(title).toMatch(/^carillon {2}\d\d:\d\d:\d\d UTC {2}2 nodes$/);
  expect(totals).toMatch(/^clients 1 {3}in [\d.]+\/s {3}out [\d.]+\/s .* slow 0 {3}workers 0$/);
  expect(head).toMatch(HEAD);
  expect(nodes).toHaveLength(2);
  for (const node of nodes) expect(node).toMatch(/^[\da-f]{12} {2}ready +[01] /);
  await say(two, "news", "hi");
  const json = await runCarillon(["top", "-s", `grpc://${one.grpc}`, "--once", "--json", "--interval", "250ms"]);
  expect([json.code, json.stderr]).toEqual([0, ""]);
  const reading = JSON.parse(json.stdout) as Reading;
  expect(new Set(reading.nodes.map(({ connections }) => connections))).toEqual(new Set([0, 1]));
  expect(new Set(reading.nodes.map(({ messagesIn }) => messagesIn))).toEqual(new Set([0, 1]));
  expect(reading.nodes[0]?.rates["messagesOut"]).toBe(0);
  expect(reading.missingNodes).toEqual([]);
  expect(reading.nodes.map(({ id }) => id)).toContain(reading.node);
});

test("prints a reason why it cannot show anything", async () => {
  const keys = [configuredKey("secret", { actions: ["publish"] })];
  const node = await startNode({ vhosts: { "/": { keys } } });
  const refused = await runCarillon(["top", "-s", node.http, "--key", "secret"]);
  expect([refused.code, refused.stdout, refused.stderr]).toEqual([1, "", expect.stringContaining("vhosts")]);
  const invalid = await runCarillon(["top", "--interval", "100ms"]);
  expect([invalid.code, invalid.stderr]).toEqual([
    2,
    expect.stringContaining("Expected a duration from 250ms to 60s."),
  ]);
});

ifTerminal("on a terminal", () => {
  test("shows the nodes on a screen of its own, fits it to the terminal's size, and ends on q", async () => {
    const { one } = await startTwo();
    const terminal = new Terminal(["top", "-s", one.http, "--interval", "250ms"], { rows: 12, columns: 150 });
    await terminal.shows(/␛\[\?1049h␛\[\?25l␛\[H␛\[1mcarillon {2}\d\d:\d\d:\d\d UTC {2}2 nodes␛\[22m␛\[K\r\n/);
    await terminal.shows(/␛\[7mNODE .* VERSION␛\[27m/);
    await terminal.shows(/[\da-f]{12} {2}␛\[32mready␛\[39m .*\r\n[\da-f]{12} {2}␛\[32mready␛\[39m /);
    terminal.resize(12, 50);
    await terminal.shows(/␛\[7mNODE {10}STATE {2}CLIENTS [^V]*␛\[27m/);
    terminal.resize(5, 50);
    await terminal.shows(/␛\[7mNODE {10}STATE [^␛]*␛\[27m␛\[K\r\n… 2 more nodes␛\[K␛\[J/);
    terminal.type("q");
    expect(await terminal.exited).toBe(0);
    expect(terminal.printed.endsWith("␛[?25h␛[?1049l")).toBe(true);
  });

  test("uses no colour with NO_COLOR, and ends on Ctrl+C", async () => {
    const node = await startNode();
    const options = { environment: { NO_COLOR: "1" } };
    const terminal = new Terminal(["top", "-s", node.http, "--interval", "250ms"], options);
    await terminal.shows(/[\da-f]{12} {2}ready /);
    terminal.type("\u0003");
    expect(await terminal.exited).toBe(0);
    expect(terminal.printed).not.toMatch(/␛\[\d+m/);
  });

  test("keeps the last reading while the node is away, says why, and continues when it is back", async () => {
    const http = await keepAddress();
    const first = await startCarillon(["--http", http]);
    const terminal = new Terminal(["top", "-s", http, "--interval", "250ms"]);
    const [, id = ""] = await terminal.shows(/([\da-f]{12}) {2}␛\[32mready/);
    first.child.kill("SIGKILL");
    await first.exited;
    await terminal.shows(/␛\[31m[^␛]*ECONNREFUSED[^␛]*␛\[39m␛\[K\r\n␛\[7mNODE/);
    terminal.forget();
    await startCarillon(["--http", http]);
    const [, other] = await terminal.shows(/␛\[K\r\n␛\[K\r\n␛\[7mNODE [^]*([\da-f]{12}) {2}␛\[32mready/);
    expect(other).not.toBe(id);
    terminal.type("q");
    expect(await terminal.exited).toBe(0);
  });
});
