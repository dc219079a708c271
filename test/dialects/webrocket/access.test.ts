import { createAccessToken, isSecret } from "../../../src/dialects/webrocket/access.js";
import type { ConfigInput } from "../../../src/server/config.js";
import type { VhostRuntime } from "../../../src/server/create/create-vhosts.js";
import { MemoryStore } from "../../../src/store/memory.js";
import { ManualClock } from "../../support/manual-clock.js";
import { createVhostWorld } from "../../support/nodes/vhost-world.js";
import { temporaryFile } from "../../support/temporary-files.js";
import { accessTokenOf, renewAccessToken } from "./backend/support.js";

const TOKEN = "0123456789_abcdefghijABCDEFGHIJ_XYZ01234";

function createStore(): MemoryStore {
  return new MemoryStore({
    clock: new ManualClock(),
    onError: (message) => {
      throw new Error(message);
    },
  });
}

async function createNode(vhosts: ConfigInput["vhosts"] = {}, store = createStore()): Promise<VhostRuntime> {
  const world = createVhostWorld({ vhosts }, store);
  await world.vhosts.start();
  return world;
}

test("X25: creates different tokens of 40 word characters", () => {
  const tokens = Array.from({ length: 100 }, createAccessToken);
  expect(tokens.filter((token) => !/^\w{40}$/.test(token))).toEqual([]);
  expect(new Set(tokens).size).toBe(100);
});

test("X25: compares secrets completely", () => {
  expect(isSecret(TOKEN, TOKEN)).toBe(true);
  for (const shown of ["", TOKEN.slice(1), `${TOKEN} `, TOKEN.toLowerCase()])
    expect(isSecret(shown, TOKEN)).toBe(false);
});

test("X25: reads a vhost's token from the configuration, in place or in a file", async () => {
  const file = temporaryFile("token", `${TOKEN}\n`);
  const { administration, vhosts } = await createNode({
    "/none": {},
    "/here": { webrocket: { access_token: TOKEN } },
    "/file": { webrocket: { access_token_file: file } },
  });
  expect(["/none", "/here", "/file"].map((path) => accessTokenOf({ vhosts }, path))).toEqual([undefined, TOKEN, TOKEN]);
  for (const path of ["/here", "/file"]) {
    await expect(renewAccessToken({ administration }, path)).rejects.toMatchObject({ code: "failed_precondition" });
  }
});

test.each([
  ["a missing file", "/no/such/file", "failed_precondition"],
  ["a file without a token", temporaryFileOf("short"), "invalid_argument"],
])("X25: refuses to start with %s, and names it", async (_, file, code) => {
  const path = typeof file === "string" ? file : file();
  const settings = { webrocket: { access_token_file: path } };
  await expect(createNode({ "/test": settings })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(/^vhosts\.\/test\.webrocket\.access_token_file: /),
  });
});

function temporaryFileOf(content: string): () => string {
  return () => temporaryFile("token", content);
}

test("X25: hides tokens in lists of settings, and refuses files at run time", async () => {
  const { administration } = await createNode({ "/test": { webrocket: { access_token: TOKEN } } });
  const made = await administration.create("/made", { webrocket: { access_token: TOKEN } });
  const told = [made, ...(await administration.list()), await administration.get("/test")];
  expect(JSON.stringify(told)).not.toContain(TOKEN);
  expect(made.settings).toEqual({ webrocket: { access_token: "(not shown)" } });
  const file = temporaryFile("token", TOKEN);
  await expect(administration.create("/other", { webrocket: { access_token_file: file } })).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining("files are only allowed in the configuration"),
  });
});

test("X25: applies a new token on other nodes, and changes nothing else of the vhost", async () => {
  const store = createStore();
  const one = await createNode({}, store);
  const settings = { access: "private", jwt: { secret: "s".repeat(64) } };
  await one.administration.create("/made", { ...settings, webrocket: { access_token: TOKEN } });
  const other = await createNode({}, store);
  const { parts } = other.vhosts.require("/made");
  const token = await renewAccessToken(one, "/made");
  const { rawSettings, parts: after } = other.vhosts.require("/made");
  expect(accessTokenOf(other, "/made")).toBe(token);
  expect(after).toBe(parts);
  expect(rawSettings).toEqual({ ...settings, webrocket: { access_token: token } });
  await expect(renewAccessToken(one, "/none")).rejects.toMatchObject({ code: "not_found" });
});
