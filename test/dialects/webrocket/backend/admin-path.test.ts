import { describeAdminResource, findAdminResources } from "../../../../src/dialects/webrocket/backend/admin-path.js";

function all(path: string, ...known: readonly string[]) {
  return findAdminResources(path, (vhost) => known.includes(vhost));
}

function texts(path: string, ...known: readonly string[]): readonly string[] {
  return all(path, ...known).map(describeAdminResource);
}

function read(path: string, ...known: readonly string[]) {
  return all(path, ...known)[0];
}

test("X24: reads paths of vhosts and of their parts", () => {
  expect(read("/")).toEqual({ kind: "vhosts" });
  expect(read("/a")).toEqual({ kind: "vhost", vhost: "/a" });
  expect(read("/a/b")).toEqual({ kind: "vhost", vhost: "/a/b" });
  expect(read("/a/b/token")).toEqual({ kind: "token", vhost: "/a/b" });
  expect(read("/a/channels")).toEqual({ kind: "channels", vhost: "/a" });
  expect(read("/a/b/workers")).toEqual({ kind: "workers", vhost: "/a/b" });
  expect(read("/a/b/channels/c.d-e")).toEqual({ kind: "channel", vhost: "/a/b", channel: "c.d-e" });
  expect(read("/a/channels/%23x")).toEqual({ kind: "channel", vhost: "/a", channel: "#x" });
  expect(read("/a/channels/")).toEqual({ kind: "channel", vhost: "/a", channel: "" });
});

test("X24: reads the reserved words as vhosts at the root, or where such a vhost exists", () => {
  expect(read("/token")).toEqual({ kind: "vhost", vhost: "/token" });
  expect(read("/channels/c")).toEqual({ kind: "vhost", vhost: "/channels/c" });
  expect(read("/channels/channels")).toEqual({ kind: "channels", vhost: "/channels" });
  expect(read("/a/channels", "/a", "/a/channels")).toEqual({ kind: "vhost", vhost: "/a/channels" });
  expect(read("/a/channels/c", "/a/channels")).toEqual({ kind: "channel", vhost: "/a", channel: "c" });
  expect(read("/a/channels/c", "/a/channels/c")).toEqual({ kind: "vhost", vhost: "/a/channels/c" });
  expect(read("/a/channels/channels", "/a/channels")).toEqual({ kind: "channels", vhost: "/a/channels" });
  expect(read("/a/channels/channels", "/a")).toEqual({ kind: "channel", vhost: "/a", channel: "channels" });
});

test("X24: lists all meanings of a path whose vhosts exist", () => {
  expect(texts("/")).toEqual(["all vhosts"]);
  expect(texts("/a/channels/b", "/a", "/a/channels/b")).toEqual(["vhost /a/channels/b", "channel b of vhost /a"]);
  expect(texts("/a/channels/channels", "/a/channels/channels", "/a/channels", "/a")).toEqual([
    "vhost /a/channels/channels",
    "channels of vhost /a/channels",
    "channel channels of vhost /a",
  ]);
  expect(texts("/a/workers", "/a/workers", "/a")).toEqual(["vhost /a/workers", "workers of vhost /a"]);
  expect(texts("/a/token", "/a")).toEqual(["token of vhost /a"]);
  expect(texts("/a/channels/b")).toEqual(["channel b of vhost /a"]);
  // With an encoded character, the path has a single meaning.
  expect(texts("/a/channels/%62", "/a", "/a/channels/b")).toEqual(["channel b of vhost /a"]);
});

test.each(["//", "/a/", "/a//b", "/a.b", "/a/channels/%ff", "*", "", "/a%20b", "//token", "/channels/c.d"])(
  "X24: rejects the path %j",
  (path) => {
    expect(read(path)).toBeUndefined();
  },
);
