import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { packageRoot } from "../../src/util/package-root.js";
import { cleanUp } from "../support/clean-up.js";
import { Program } from "../support/nodes/program.js";

/** Runs a script until it and its node have ended. */
async function outputOf(...args: readonly string[]) {
  const program = new Program(process.execPath, args, { folder: packageRoot, environment: process.env });
  cleanUp(() => program.stop("SIGKILL"));
  return { code: await program.gone, printed: program.printed };
}

const SCRIPT = join("scripts", "example.mjs");
const CHAT = join("examples", "chat", "server.mjs");

test("names the examples when the name is unknown or missing", async () => {
  const names = "expected one of chat, cursors, price-board.\n";
  expect(await outputOf(SCRIPT, "chess")).toEqual({
    code: 1,
    printed: `carillon: unknown example "chess": ${names}`,
  });
  expect(await outputOf(SCRIPT)).toEqual({ code: 1, printed: `carillon: no example: ${names}` });
});

test("prints the examples and the options with --help", async () => {
  const { code, printed } = await outputOf(SCRIPT, "--help");
  expect(code).toBe(0);
  expect(printed).toMatch(/^Usage: npm run example NAME/);
  for (const name of ["chat", "cursors", "price-board", "--site", "--http", "--grpc", "--nats", "--broker"]) {
    expect(printed).toContain(name);
  }
});

test("names the options when one is unknown", async () => {
  const { code, printed } = await outputOf(CHAT, "--port=1");
  expect(code).toBe(1);
  expect(printed).toMatch(/^carillon: Unknown option '--port'.*Expected --site, --http, --grpc, --nats, --broker\.\n$/);
});

test("stops its node, and says what to do, when the port of its site is in use", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  cleanUp(() => other.close());
  await once(other, "listening");
  const site = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const { code, printed } = await outputOf(CHAT, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--site", site);
  expect(code).toBe(1);
  expect(printed).toContain(
    `carillon: the site cannot listen on ${site} (EADDRINUSE). Choose another one with --site HOST:PORT.\n`,
  );
});

test.each(["127.0.0.1:99999", "3001"])("refuses %s as the address of its site before the node starts", async (site) => {
  const { code, printed } = await outputOf(CHAT, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--site", site);
  expect(code).toBe(1);
  expect(printed).toBe(`carillon: --site: expected HOST:PORT, got ${site}.\n`);
});

test("ends with its node's error when the node cannot start", async () => {
  const { code, printed } = await outputOf(CHAT, "--http", "nowhere");
  expect(code).toBe(1);
  expect(printed).toBe(
    "carillon: http: expected HOST:PORT, such as 127.0.0.1:8080\ncarillon: the node did not start (exit code 2). " +
      "Other ports: --http HOST:PORT, --grpc HOST:PORT.\n",
  );
});
