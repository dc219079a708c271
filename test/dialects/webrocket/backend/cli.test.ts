import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { run } from "../../../../src/cli/program.js";
import { cleanUp } from "../../../support/clean-up.js";
import { temporaryFile } from "../../../support/temporary-files.js";
import { registerWorker, startLocalDispatch, type TestDispatch } from "../../../workers/support.js";
import { accessTokenOf, createStore, createWorld, startAdmin, TOKEN, UUID, type World } from "./support.js";

const COOKIE = "a cookie of the operators";

let printed: { stdout: string; stderr: string };
let node: TestDispatch;
let world: World;
let url: string;

beforeEach(async () => {
  process.env["CARILLON_WEBROCKET_COOKIE"] = COOKIE;
  node = await startLocalDispatch();
  world = await createWorld(undefined, createStore(), node);
  url = await startAdmin(world, COOKIE);
  for (const name of ["stdout", "stderr"] as const) {
    jest.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    });
  }
});

afterEach(() => {
  delete process.env["CARILLON_WEBROCKET_COOKIE"];
  jest.restoreAllMocks();
  process.exitCode = 0;
});

/** Runs a command of the CLI. @returns exit code and output */
async function webrocket(...args: readonly string[]): Promise<readonly [number, string]> {
  printed = { stdout: "", stderr: "" };
  process.exitCode = 0;
  const where = args.includes("--admin") ? [] : ["--admin", url];
  await run(["node", "carillon", "webrocket", ...args, ...where]);
  return [process.exitCode, printed.stdout + printed.stderr];
}

test("X28: manages vhosts and their tokens", async () => {
  expect(await webrocket("vhost", "add", "/made/here")).toEqual([0, expect.stringMatching(/^\/made\/here \w{40}\n$/)]);
  const first = accessTokenOf(world, "/made/here");
  expect(await webrocket("vhosts")).toEqual([0, `/made/here ${first}\n/test ${TOKEN}\n`]);
  const [code, text] = await webrocket("token", "/made/here");
  expect([code, text]).toEqual([0, `${accessTokenOf(world, "/made/here")}\n`]);
  expect(text).not.toBe(`${first}\n`);
  expect(await webrocket("vhost", "delete", "/made/here")).toEqual([0, ""]);
  expect(await webrocket("vhosts")).toEqual([0, `/test ${TOKEN}\n`]);
});

test("X28: manages channels", async () => {
  expect(await webrocket("channel", "open", "/test", "foo")).toEqual([0, ""]);
  expect(await webrocket("channel", "open", "/test", "foo")).toEqual([1, "carillon: channel already exists\n"]);
  expect(await webrocket("channel", "open", "/test", "presence-bar")).toEqual([0, ""]);
  expect(await webrocket("channels", "/test")).toEqual([0, "foo\npresence-bar\n"]);
  expect(await webrocket("channel", "close", "/test", "foo")).toEqual([0, ""]);
  expect(await webrocket("channels", "/test")).toEqual([0, "presence-bar\n"]);
});

test("X28: distinguishes channels from vhosts whose paths end alike", async () => {
  for (const path of ["/made", "/made/channels/foo"]) await world.administration.create(path, {});
  expect(await webrocket("channel", "open", "/made", "foo")).toEqual([0, ""]);
  expect([...world.vhosts.require("/made").channels]).toEqual(["foo"]);
  expect(await webrocket("channel", "close", "/made", "foo")).toEqual([0, ""]);
  expect(await webrocket("channel", "close", "/made", "foo")).toEqual([1, "carillon: channel doesn't exist\n"]);
  await world.administration.delete("/made");
  expect(await webrocket("channel", "close", "/made", "foo")).toEqual([1, "carillon: vhost doesn't exist\n"]);
  expect(world.vhosts.get("/made/channels/foo")).toBeDefined();
});

test("X28: refuses ambiguous paths", async () => {
  for (const word of ["", "/token", "/channels", "/workers"]) await world.administration.create(`/made${word}`, {});
  const refusal = "carillon: ambiguous path: vhost /made/token, or token of vhost /made: nothing was changed\n";
  expect(await webrocket("token", "/made")).toEqual([1, refusal]);
  for (const word of ["channels", "workers"]) {
    const text = `carillon: /made/${word} is a vhost: use the control service\n`;
    expect(await webrocket(word, "/made")).toEqual([1, text]);
  }
});

test("X28: lists workers", async () => {
  const one = await registerWorker(node, ["a.*", "b"], { vhost: "/test", name: "one" });
  await registerWorker(node, ["*"], { vhost: "/test", name: UUID, answers: false });
  const name = node.member.node;
  expect(await webrocket("workers", "/test")).toEqual([
    0,
    `${one.registration.workerId} ${name} one a.*,b\n${UUID} ${name} ${UUID} * triggers\n`,
  ]);
});

test.each([
  [["channels", "/other"], "vhost doesn't exist"],
  [["vhost", "add", "/test"], "vhost already exists"],
  [["vhost", "delete", "/test"], 'vhost "/test" is defined in the configuration'],
  [["token", "/test"], 'vhost "/test" is defined in the configuration'],
  [["channel", "open", "/test", "#foo"], "invalid channel name"],
  [["channel", "close", "/test", "foo/../.."], "invalid channel name"],
  [["channel", "close", "/test", "foo"], "channel doesn't exist"],
])("X28: exits with 1 when refused: %j", async (args, message) => {
  expect(await webrocket(...args)).toEqual([1, `carillon: ${message}\n`]);
});

test.each([
  [["vhost", "add", "made"], "vhost: expected a path"],
  [["workers", "/"], "vhost: expected a path"],
  [["vhost", "delete", "/test/channels"], "could also name a resource of another vhost"],
  [["vhost", "add", "/test/channels/foo"], "could also name a resource of another vhost"],
  [["vhosts", "--admin", "ftp://127.0.0.1"], "Expected a URL"],
  [["vhosts", "--cookie-file", "/no/such/file"], "--cookie-file: /no/such/file cannot be read"],
  [["vhost", "sing"], "unknown command"],
  [["token"], "missing required argument"],
])("X28: exits with 2 on wrong usage: %j", async (args, message) => {
  expect(await webrocket(...args)).toEqual([2, expect.stringContaining(message)]);
  expect(await world.administration.listChannels("/test")).toEqual([]);
});

test("X28: reads the cookie from the environment or a file", async () => {
  process.env["CARILLON_WEBROCKET_COOKIE"] = "another";
  expect(await webrocket("vhosts")).toEqual([1, expect.stringContaining("X-WebRocket-Cookie is missing or wrong")]);
  expect(await webrocket("vhosts", "--cookie-file", temporaryFile("cookie", `${COOKIE}\n`))).toMatchObject([0, {}]);
  delete process.env["CARILLON_WEBROCKET_COOKIE"];
  expect(await webrocket("vhosts")).toEqual([2, expect.stringContaining("missing cookie")]);
});

test("X28: exits with 3 when the interface is unreachable, or is another server", async () => {
  expect(await webrocket("vhosts", "--admin", "http://127.0.0.1:1")).toEqual([
    3,
    expect.stringContaining("http://127.0.0.1:1 cannot be reached: connect ECONNREFUSED"),
  ]);
  const server = createServer((socket) => {
    socket
      .on("error", () => {})
      .resume()
      .end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
  }).listen(0, "127.0.0.1");
  cleanUp(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  expect(await webrocket("vhosts", "--admin", `http://127.0.0.1:${port}`)).toEqual([
    3,
    "carillon: this server is not a WebRocket admin interface\n",
  ]);
});
