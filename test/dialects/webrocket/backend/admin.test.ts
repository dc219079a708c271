import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { CarillonError } from "../../../../src/errors.js";
import { AnswerBudget } from "../../../../src/rpc/answer-budget.js";
import { FileStore } from "../../../../src/store/file.js";
import { MemoryStore } from "../../../../src/store/memory.js";
import { systemClock } from "../../../../src/util/system-clock.js";
import { cleanUp } from "../../../support/clean-up.js";
import { ManualClock } from "../../../support/manual-clock.js";
import { temporaryFile, temporaryFolder } from "../../../support/temporary-files.js";
import { registerWorker, startLocalDispatch } from "../../../workers/support.js";
import { accessTokenOf, createStore, createWorld, startAdmin, TOKEN, UUID, type World } from "./support.js";

const COOKIE = "a cookie of the operators";

interface Answered {
  readonly status: number;
  readonly body: unknown;
  readonly location: string | null;
}

type Ask = (method: string, path: string, cookie?: string) => Promise<Answered>;

function asking(url: string): Ask {
  return async (method, path, cookie = COOKIE) => {
    const headers: Record<string, string> = cookie === "" ? {} : { "X-WebRocket-Cookie": cookie };
    const response = await fetch(url + path, { method, headers, redirect: "manual" });
    return { status: response.status, body: await response.json(), location: response.headers.get("location") };
  };
}

async function start(world?: World): Promise<{ readonly world: World; readonly ask: Ask; readonly url: string }> {
  const used = world ?? (await createWorld());
  const url = await startAdmin(used, COOKIE);
  return { world: used, ask: asking(url), url };
}

function vhost(path: string, accessToken: unknown = expect.stringMatching(/^\w{40}$/), configured = false, size = 0) {
  const links = [
    { rel: "self", href: path },
    { rel: "channels", href: `${path}/channels` },
    { rel: "token", href: `${path}/token` },
    { rel: "workers", href: `${path}/workers` },
  ];
  return { path, accessToken, configured, channels: { size }, links };
}

function channel(path: string, name: string) {
  const links = [
    { rel: "self", href: `${path}/channels/${name}` },
    { rel: "vhost", href: path },
  ];
  return { name, links };
}

test("X23: refuses requests without the right cookie, and changes nothing", async () => {
  const { ask, world } = await start();
  for (const cookie of ["", "another", COOKIE.slice(1), `${COOKIE}x`]) {
    for (const [method, path] of [
      ["GET", "/"],
      ["POST", "/made"],
      ["GET", "/no/such"],
      ["GET", "/%ff"],
    ] as const) {
      expect(await ask(method, path, cookie)).toEqual({
        status: 403,
        body: { error: "the header X-WebRocket-Cookie is missing or wrong" },
        location: null,
      });
    }
  }
  expect(world.vhosts.get("/made")).toBeUndefined();
});

test("X23: refuses to start with a short cookie, or an empty file", async () => {
  for (const cookie of ["", "fifteen letters"]) {
    await expect(startAdmin(await createWorld(), cookie, temporaryFile("cookie", `${cookie}\n`))).rejects.toMatchObject(
      {
        code: "invalid_argument",
        message: "webrocket.admin: expected a cookie of at least 16 characters",
      },
    );
  }
});

test("X24: creates, lists and deletes vhosts, and leaves the default one out", async () => {
  const { ask, world } = await start();
  const made = await ask("POST", "/made/here");
  expect(made).toEqual({ status: 302, location: "/made/here", body: { vhost: vhost("/made/here") } });
  expect(await ask("GET", "/made/here")).toEqual({ status: 200, location: null, body: made.body });
  expect((await ask("GET", "/")).body).toEqual({ vhosts: [vhost("/made/here"), vhost("/test", TOKEN, true)] });
  expect(await ask("POST", "/made/here")).toMatchObject({ status: 400, body: { error: "vhost already exists" } });
  expect(await ask("DELETE", "/made/here")).toEqual({ status: 202, location: null, body: {} });
  for (const [method, path] of [
    ["GET", "/made/here"],
    ["DELETE", "/made/here"],
    ["PUT", "/made/here/token"],
    ["GET", "/made/here/channels"],
    ["DELETE", "/made/here/channels"],
    ["POST", "/made/here/channels/c"],
    ["GET", "/made/here/workers"],
  ] as const) {
    const body = { error: "vhost doesn't exist" };
    expect(await ask(method, path)).toEqual({ status: 404, location: null, body });
  }
  expect(world.faults).toEqual([]);
});

test.each(["/a.b", "/a%20b", "//token", "/made/", "/made/channels/%ff"])(
  "X24: refuses %s as an invalid path",
  async (path) => {
    const { ask, world } = await start();
    for (const method of ["POST", "GET", "DELETE", "PUT"]) {
      expect(await ask(method, path)).toEqual({ status: 400, location: null, body: { error: "invalid path" } });
    }
    expect([...world.vhosts.all].map(({ name }) => name)).toEqual(["/", "/test"]);
  },
);

test("X24: deletes all vhosts but the configured ones, and lists those", async () => {
  const { ask } = await start();
  for (let number = 0; number < 25; number += 1) await ask("POST", `/made/${number}`);
  expect(await ask("DELETE", "/")).toEqual({
    status: 202,
    location: null,
    body: { vhosts: [vhost("/test", TOKEN, true)] },
  });
  expect((await ask("GET", "/")).body).toEqual({ vhosts: [vhost("/test", TOKEN, true)] });
});

test("X24: shows a vhost without a token, and gives it one", async () => {
  const { ask, world } = await start();
  await world.administration.create("/made", { access: "private" });
  expect((await ask("GET", "/made")).body).toEqual({ vhost: vhost("/made", null) });
  expect(await ask("PUT", "/made/token")).toEqual({
    status: 302,
    location: "/made",
    body: { vhost: vhost("/made") },
  });
  expect(world.vhosts.require("/made").settings.access).toBe("private");
});

test("X25: replaces the token of a vhost", async () => {
  const { ask, world } = await start();
  await ask("POST", "/made");
  const before = accessTokenOf(world, "/made");
  expect(await ask("PUT", "/made/token")).toMatchObject({ status: 302, body: { vhost: vhost("/made") } });
  const accessToken = accessTokenOf(world, "/made");
  const { authenticator } = world.vhosts.require("/made");
  expect(accessToken).not.toBe(before);
  await ask("PUT", "/made/token");
  // The token's change does not recreate other parts of the vhost.
  expect(world.vhosts.require("/made").authenticator).toBe(authenticator);
});

test("X25: refuses changes of configured vhosts", async () => {
  const { ask, world } = await start();
  for (const [method, path] of [
    ["PUT", "/test/token"],
    ["DELETE", "/test"],
  ] as const) {
    expect(await ask(method, path)).toEqual({
      status: 409,
      location: null,
      body: { error: 'vhost "/test" is defined in the configuration' },
    });
  }
  expect(accessTokenOf(world, "/test")).toBe(TOKEN);
});

test("X26: opens, lists and closes channels", async () => {
  const { ask } = await start();
  expect(await ask("POST", "/test/channels/foo")).toEqual({
    status: 302,
    location: "/test/channels/foo",
    body: { channel: channel("/test", "foo") },
  });
  expect(await ask("POST", "/test/channels/foo")).toEqual({
    status: 400,
    location: null,
    body: { error: "channel already exists" },
  });
  await ask("POST", "/test/channels/presence-a.b");
  expect(await ask("GET", "/test/channels/foo")).toEqual({
    status: 200,
    location: null,
    body: { channel: { ...channel("/test", "foo"), subscribers: { size: 0 } } },
  });
  expect((await ask("GET", "/test")).body).toEqual({ vhost: vhost("/test", TOKEN, true, 2) });
  expect((await ask("GET", "/test/channels")).body).toEqual({
    channels: [channel("/test", "foo"), channel("/test", "presence-a.b")],
  });
  expect(await ask("DELETE", "/test/channels/foo")).toMatchObject({ status: 202, body: {} });
  for (const method of ["GET", "DELETE"]) {
    expect(await ask(method, "/test/channels/foo")).toMatchObject({
      status: 404,
      body: { error: "channel doesn't exist" },
    });
  }
  for (const name of ["-foo", "%23foo", "a%20b", "", "a".repeat(256)]) {
    expect(await ask("POST", `/test/channels/${name}`)).toMatchObject({
      status: 400,
      body: { error: "invalid channel name" },
    });
  }
  for (let number = 0; number < 25; number += 1) await ask("POST", `/test/channels/c${number}`);
  expect(await ask("DELETE", "/test/channels")).toMatchObject({ status: 202, body: {} });
  expect((await ask("GET", "/test/channels")).body).toEqual({ channels: [] });
});

test("X22: lists workers of both kinds, WebRocket's by their own ids", async () => {
  const node = await startLocalDispatch();
  const { ask } = await start(await createWorld(undefined, createStore(), node));
  const one = await registerWorker(node, ["a.*"], { vhost: "/test", name: "one", capacity: 5 });
  await registerWorker(node, ["*"], { vhost: "/test", name: UUID, capacity: 9, answers: false });
  await registerWorker(node, ["*"], { name: "of another vhost" });
  const shared = { node: node.member.node, tasks: 0, links: [{ rel: "vhost", href: "/test" }] };
  expect(await ask("GET", "/test/workers")).toEqual({
    status: 200,
    location: null,
    body: {
      workers: [
        { ...shared, id: one.registration.workerId, name: "one", events: ["a.*"], capacity: 5, answers: true },
        { ...shared, id: UUID, name: UUID, events: ["*"], capacity: 9, answers: false },
      ],
      more: false,
      missing: [],
    },
  });
});

test("X24: refuses other methods, and names the known ones", async () => {
  const { ask } = await start();
  for (const [method, path, methods] of [
    ["POST", "/", "GET, DELETE"],
    ["PUT", "/test", "POST, GET, DELETE"],
    ["GET", "/test/token", "PUT"],
    ["POST", "/test/channels", "GET, DELETE"],
    ["PATCH", "/test/channels/c", "POST, GET, DELETE"],
    ["DELETE", "/test/workers", "GET"],
  ] as const) {
    expect(await ask(method, path)).toMatchObject({
      status: 405,
      body: { error: `method not allowed; allowed: ${methods}` },
    });
  }
});

test("X24: refuses changes by an ambiguous path", async () => {
  const { ask, world } = await start();
  for (const path of ["/made", "/made/channels/foo", "/made/channels", "/made/token"]) {
    await world.administration.create(path, {});
  }
  await world.administration.openChannel("/made", "foo");
  for (const [method, path, meanings] of [
    ["DELETE", "/made/channels/foo", "vhost /made/channels/foo, or channel foo of vhost /made"],
    ["POST", "/made/channels/foo", "vhost /made/channels/foo, or channel foo of vhost /made"],
    ["DELETE", "/made/channels", "vhost /made/channels, or channels of vhost /made"],
    ["PUT", "/made/token", "vhost /made/token, or token of vhost /made"],
  ] as const) {
    const error = `ambiguous path: ${meanings}: nothing was changed`;
    expect(await ask(method, path)).toEqual({ status: 409, location: null, body: { error } });
  }
  const paths = [...world.vhosts.all].map(({ name }) => name).filter((name) => name.startsWith("/made"));
  expect(paths.toSorted()).toEqual(["/made", "/made/channels", "/made/channels/foo", "/made/token"]);
  expect([...world.vhosts.require("/made").channels]).toEqual(["foo"]);
  // A GET uses the longest path; with an encoded character, the path means a channel only.
  expect(await ask("GET", "/made/channels/foo")).toMatchObject({ body: { vhost: { path: "/made/channels/foo" } } });
  expect(await ask("DELETE", "/made/channels/%66oo")).toMatchObject({ status: 202 });
  expect([...world.vhosts.require("/made").channels]).toEqual([]);
});

/** A store that is unreachable. */
class AwayStore extends MemoryStore {
  constructor() {
    super({ clock: systemClock, onError: () => {} });
  }

  override watch(): Promise<() => void> {
    return Promise.reject(new CarillonError("unavailable", "the store cannot be reached"));
  }
}

test("X24: does not report anything as missing or deleted before the store has been read", async () => {
  const { ask } = await start(await createWorld(undefined, new AwayStore()));
  for (const [method, path] of [
    ["GET", "/"],
    ["DELETE", "/"],
    ["GET", "/made"],
    ["DELETE", "/made"],
    ["GET", "/test/channels"],
    ["DELETE", "/test/channels"],
    ["GET", "/test/channels/foo"],
    ["DELETE", "/test/channels/foo"],
  ] as const) {
    expect([method, path, await ask(method, path)]).toEqual([
      method,
      path,
      { status: 503, location: null, body: { error: "the vhosts are still loading: try again" } },
    ]);
  }
  expect(await ask("GET", "/test")).toMatchObject({ status: 200 });
});

test("X24: ignores queries and bodies of any size", async () => {
  const { ask, url } = await start();
  expect((await ask("GET", "/test?x=/other")).body).toEqual({ vhost: vhost("/test", TOKEN, true) });
  const headers = { "X-WebRocket-Cookie": COOKIE, "content-length": "1000000000" };
  const request = httpRequest(`${url}/made`, { method: "POST", headers });
  request.on("error", () => {});
  request.write("{");
  const [{ headers: told, statusCode }] = (await once(request, "response")) as [
    { readonly statusCode: number; readonly headers: Record<string, string> },
  ];
  expect([statusCode, told["connection"]]).toEqual([302, "close"]);
  request.destroy();
});

test("X23: refuses requests of web pages", async () => {
  const { url } = await start();
  const headers = { "X-WebRocket-Cookie": COOKIE, origin: url };
  expect((await fetch(url, { headers })).status).toBe(403);
});

test("X27: keeps vhosts and channels across a restart", async () => {
  const folder = temporaryFolder();
  const stores: FileStore[] = [];
  const open = async (): Promise<FileStore> => {
    const store = new FileStore({
      folder,
      clock: systemClock,
      onUp: () => {},
      onDown: () => {},
      onError: (message) => {
        throw new Error(message);
      },
    });
    await store.start();
    stores.push(store);
    cleanUp(() => store.stop());
    return store;
  };
  const first = await start(await createWorld(undefined, await open()));
  await first.ask("POST", "/made");
  await first.ask("POST", "/gone");
  await first.ask("DELETE", "/gone");
  await first.ask("POST", "/made/channels/foo");
  const { body } = await first.ask("PUT", "/made/token");
  await stores[0]?.stop();

  const second = await start(await createWorld(undefined, await open()));
  expect((await second.ask("GET", "/made")).body).toEqual(body);
  expect((await second.ask("GET", "/gone")).status).toBe(404);
  expect((await second.ask("GET", "/made/channels")).body).toEqual({ channels: [channel("/made", "foo")] });
});

test("L17: refuses lists beyond the budget of the admin interface, with Retry-After", async () => {
  const answers = new AnswerBudget(65_536, new ManualClock());
  const url = await startAdmin(await createWorld(), COOKIE, undefined, answers);
  let response = await fetch(url, { headers: { "X-WebRocket-Cookie": COOKIE } });
  while (response.status === 200) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await response.text()).length).toBeGreaterThan(0);
    // oxlint-disable-next-line no-await-in-loop
    response = await fetch(url, { headers: { "X-WebRocket-Cookie": COOKIE } });
  }
  expect([response.status, response.headers.get("retry-after")]).toEqual([429, "1"]);
});
