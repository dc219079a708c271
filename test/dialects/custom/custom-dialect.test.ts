import { ConfigReader } from "../../../src/config/config-reader.js";
import { createLog } from "../../../src/observe/log.js";
import { DIALECTS } from "../../../src/server/dialects.js";
import { Server } from "../../../src/server/server.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect, refusedUpgrade } from "../../support/clients/native.js";
import { lines } from "./module.js";

/** The node's dialects with one more, added as its registry entry would add it. */
const dialects = [...DIALECTS, lines];
const reader = new ConfigReader(dialects);

/** Starts a node with all dialects. @returns its WebSocket URL */
async function start(input: object): Promise<string> {
  const config = reader.parse({ http: "127.0.0.1:0", grpc: "127.0.0.1:0", stop_timeout: "5s", ...input });
  const server = new Server(config, createLog({ level: "silent", format: "json" }), { dialects });
  cleanUp(() => server.stop());
  await server.start();
  return server.addresses?.http.replace("http", "ws") ?? "";
}

test("serves a dialect that consists of a folder and an entry in the list", async () => {
  const url = await start({ vhosts: { "/": { lines: { publishes: true } }, "/shop": {} } });
  const [client, other, native] = await Promise.all([
    connect(`${url}/lines`),
    connect(`${url}/lines`),
    connect(`${url}/ws`),
  ]);
  await native.join("news");
  for (const one of [client, other]) {
    one.send("+news");
    expect(await one.nextText()).toBe("ok");
  }
  client.send("!news hello");
  expect(await other.nextText()).toBe("news hello");
  expect(await native.next()).toEqual({ topic: "news", payload: "hello" });
  client.send("nonsense");
  expect(new Set([await client.nextText(), await client.nextText(), await client.nextText()])).toEqual(
    new Set(["news hello", "ok", "malformed"]),
  );
});

test("gives a dialect its own access to each vhost, by the vhost's settings", async () => {
  const url = await start({ vhosts: { "/": { lines: { publishes: true } }, "/shop": {} } });
  const client = await connect(`${url}/lines/shop`);
  client.send("+news");
  expect(await client.nextText()).toBe("ok");
  client.send("!news hello");
  expect(await client.nextText()).toBe("permission_denied");
});

test("serves a dialect at the path of the configuration", async () => {
  const url = await start({ lines: { base: "/other" } });
  const client = await connect(`${url}/other`);
  client.send("+news");
  expect(await client.nextText()).toBe("ok");
  expect((await refusedUpgrade(`${url}/lines`)).status).toBe(404);
});

test("does not serve a dialect that `dialects` omits", async () => {
  const url = await start({ dialects: ["native"] });
  expect((await refusedUpgrade(`${url}/lines`)).status).toBe(404);
});

test("adds a dialect's settings to the configuration, its variables, its defaults and its reference", () => {
  const { dialects: served } = reader.load({ environment: { CARILLON_LINES_BASE: "/other" } });
  expect(served).toContain("lines");
  expect(() => reader.parse({ lines: { bass: "/x" } })).toThrow("lines.bass: unknown key; did you mean base?");
  expect(() => reader.parse({ lines: { base: "x" } })).toThrow("lines.base: expected a path such as /lines");
  expect(() => reader.parseVhost("/shop", { lines: { publishes: 1 } })).toThrow("vhosts./shop.lines.publishes: ");
  expect(reader.writeDefaults()).toContain("\nlines:\n  base: /lines\n");
  expect(reader.writeDefaults()).toContain("\n    lines:\n      publishes: false\n");
  expect(reader.writePage()).toContain("| `publishes` | boolean | `false` | yes | Let clients publish. |");
});
