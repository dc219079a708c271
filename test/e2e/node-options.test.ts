import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { configuredKey } from "../support/backends/backend.js";
import { cleanUp } from "../support/clean-up.js";
import { keepAddress } from "../support/net/kept-address.js";
import { runCarillon, startCarillon } from "../support/nodes/process.js";
import { temporaryFile } from "../support/temporary-files.js";

/** Commands that reach a node as a backend, with their arguments. */
const BACKEND: readonly string[][] = [
  ["publish", "foo", "x"],
  ["history", "foo"],
  ["purge", "foo"],
  ["topics"],
  ["connections"],
  ["connection", "id"],
  ["presence", "foo"],
  ["disconnect", "id"],
  ["call", "event", "x"],
  ["rebalance"],
  ["workers"],
  ["reload"],
  ["top"],
];

/** Commands that reach a node as a client. */
const CLIENT: readonly string[][] = [["listen", "foo"]];

/** Commands that reach a node as both. */
const BOTH: readonly string[][] = [["bench"]];

const ALL = [...BACKEND, ...CLIENT, ...BOTH];

/** Commands that reach no node or the one that is configured here, and groups of commands. */
const OTHERS = ["serve", "health", "access", "admin", "key", "config", "completion", "help"];

/** Commands with an interface and a port of their own. */
const FOREIGN = ["webrocket"];

async function commandNames(): Promise<string[]> {
  const { stdout } = await runCarillon(["--help"]);
  const [, commands = ""] = stdout.split("Commands:\n");
  return [...commands.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = ""]) => name);
}

/** Returns the descriptions of a command's options, by name, without line breaks. */
async function optionsOf(command: string): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await runCarillon([command, "--help"]);
  const [, options = ""] = stdout.split("Options:\n");
  const entries = options.split(/^ {2}(?=-)/m).map((entry) => entry.replaceAll(/\s+/g, " ").trim());
  return new Map(entries.map((entry) => [/--[a-z-]+/.exec(entry)?.[0] ?? "", entry]));
}

test("knows all commands", async () => {
  expect((await commandNames()).toSorted()).toEqual([...ALL.map(([name]) => name), ...OTHERS, ...FOREIGN].toSorted());
});

test.each(ALL)("carillon %s has the options that all commands have", async (name = "") => {
  const [expected, found] = await Promise.all([optionsOf("topics"), optionsOf(name)]);
  const shared = ["--server", "--vhost", "--ca"];
  expect(shared.map((option) => found.get(option))).toEqual(shared.map((option) => expected.get(option)));
  const isIn = (commands: readonly string[][]): boolean => commands.some(([other]) => other === name);
  const credentials = [...(isIn(CLIENT) ? [] : ["--key"]), ...(isIn(BACKEND) ? [] : ["--token"])];
  expect([...found.keys()].filter((option) => ["--url", "--tls", "--key", "--token"].includes(option))).toEqual(
    credentials,
  );
  const described = credentials.map((option) => found.get(option));
  expect(described).toEqual(
    credentials.map((option) => expect.stringContaining(`(env: CARILLON_${option.slice(2).toUpperCase()})`)),
  );
});

test.each(ALL)(
  "carillon %s takes the address from CARILLON_SERVER, and exits with 3 when no node is there",
  async (...command) => {
    const environment = { CARILLON_SERVER: await keepAddress() };
    const { code, stderr, stdout } = await runCarillon(command, { environment });
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toContain("ECONNREFUSED");
  },
);

test.each([
  [
    ["-s", "ws://127.0.0.1:1"],
    "'ws://127.0.0.1:1' is invalid. Expected an address such as http://127.0.0.1:8080 or grpc:",
  ],
  [["--ca", "ca.pem"], "--ca: requires an address with https:// or grpcs://"],
  [["--vhost", "shop"], "'shop' is invalid. Expected a path such as /shop."],
])("refuses %j as a backend and as a client", async (options, text) => {
  for (const command of [["topics"], ["listen", "foo"]]) {
    const { code, stderr } = await runCarillon([...command, ...options]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(text)]);
  }
});

test.each([
  "non sense",
  "http://",
  "http://127.0.0.1:1/#foo",
  "http://127.0.0.1:1?a=b",
  "grpc://127.0.0.1:1/a",
  "http://a@b",
])("refuses the address %j", async (address) => {
  const { code, stderr } = await runCarillon(["topics"], { environment: { CARILLON_SERVER: address } });
  expect(code).toBe(2);
  expect(stderr).toContain(`value '${address}' from env 'CARILLON_SERVER' is invalid. Expected an address such as`);
});

test("reaches a node by its HTTP port and by its gRPC port, with the key of the environment", async () => {
  const keys = [configuredKey("secret", { actions: ["*"] })];
  const node = await startCarillon(["-c", temporaryFile("a.yaml", JSON.stringify({ vhosts: { "/": { keys } } }))]);
  const environment = { CARILLON_KEY: "secret" };
  for (const address of [node.http, `${node.http}/`, node.http.replace("http://", ""), `grpc://${node.grpc}`]) {
    const published = await runCarillon(["publish", "-s", address, "foo", "hi", "--id", "m1", "--json"], {
      environment,
    });
    expect([address, published.stderr, published.code]).toEqual([address, "", 0]);
    expect(JSON.parse(published.stdout)).toEqual({ id: "m1", stage: "flushed", duplicate: false });
    const refused = await runCarillon(["publish", "-s", address, "foo", "hi", "--key", "wrong"], { environment });
    expect([address, refused.code, refused.stderr]).toEqual([address, 1, expect.stringContaining("key")]);
  }
});

test("says which port to use when an address has the other port", async () => {
  const node = await startCarillon();
  const asHttp = await runCarillon(["topics", "-s", `http://${node.grpc}`]);
  expect([asHttp.code, asHttp.stderr]).toEqual([3, expect.stringContaining("use grpc://")]);
  const asGrpc = await runCarillon(["topics", "-s", node.http.replace("http", "grpc")]);
  expect([asGrpc.code, asGrpc.stderr]).toEqual([3, expect.stringContaining("use http://")]);
  const listen = await runCarillon(["listen", "-s", `grpc://${node.grpc}`, "foo"]);
  expect([listen.code, listen.stderr]).toEqual([
    2,
    "carillon: --server: clients need an address with http:// or https://\n",
  ]);
});

describe.each(["http", "grpc"])("exits with 3 when a server at an address with %s://", (scheme) => {
  test.each([
    ["closes the connection at once", (socket: Socket) => socket.destroy()],
    ["closes the connection after the first bytes", (socket: Socket) => socket.once("data", () => socket.destroy())],
    [
      "resets the connection after the first bytes",
      (socket: Socket) => socket.once("data", () => socket.resetAndDestroy()),
    ],
  ])("%s", async (_title, lose) => {
    const server = createServer((socket) => void lose(socket.on("error", () => {}))).listen(0, "127.0.0.1");
    cleanUp(() => once(server.close(), "close"));
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await runCarillon(["topics", "-s", `${scheme}://127.0.0.1:${port}`]);
    const other = scheme === "http" ? "a gRPC port use grpc" : "an HTTP port use http";
    expect([code, stderr]).toEqual([
      3,
      `carillon: the server closed the connection before its answer was complete; for ${other}://\n`,
    ]);
  });
});

test("reaches a node behind a path of a proxy", async () => {
  const paths: string[] = [];
  const proxy = createHttpServer(({ url = "" }, response) => {
    paths.push(url);
    response.writeHead(502).end();
  });
  proxy.on("upgrade", ({ url = "" }, socket) => {
    paths.push(url);
    socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  cleanUp(() => proxy.close());
  const { port } = proxy.address() as { readonly port: number };
  const address = `http://127.0.0.1:${port}/live/`;
  expect((await runCarillon(["topics", "-s", address])).code).toBe(3);
  expect((await runCarillon(["listen", "-s", address, "--vhost", "/shop", "foo"])).code).toBe(3);
  expect(paths).toEqual(["/live/carillon.v1.ControlService/ListTopics", "/live/ws/shop?meta=1"]);
});

test("colours the titles of a table that goes to a pipe only when FORCE_COLOR says so", async () => {
  const node = await startCarillon();
  const [plain, colored] = ["NODE", "\u001b[1mNODE"];
  for (const [environment, begin] of [
    [{}, plain],
    [{ FORCE_COLOR: "1" }, colored],
    [{ FORCE_COLOR: "0" }, plain],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, colored],
  ] as const) {
    const { stdout } = await runCarillon(["rebalance", "-s", node.http, "--dry-run"], { environment });
    expect([environment, stdout.slice(0, begin.length)]).toEqual([environment, begin]);
  }
});
