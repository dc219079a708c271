import { createKey, hashKey } from "../../src/access/keys/key-secret.js";
import { Keyring, type KeyringOptions, type KeyScope } from "../../src/access/keys/keyring.js";
import { formatSubject, normalizeSubject } from "../../src/access/keys/subject-dn.js";
import { clockAt, NOW } from "./jwts.js";

function key(secret: string, more: Partial<KeyScope> = {}): KeyScope {
  return {
    id: `id-${secret}`,
    name: `name-${secret}`,
    hash: hashKey(secret),
    actions: ["*"],
    topics: [],
    created: undefined,
    configured: true,
    ...more,
  };
}

function keyring(options: Partial<KeyringOptions> = {}): Keyring {
  return new Keyring({
    clock: clockAt(),
    open: false,
    hasVhost: (vhost) => vhost === "/" || vhost === "/a",
    ...options,
  });
}

/** Name of the backend, or code of the refusal. */
function ask(ring: Keyring, authorization?: string, more: { vhost?: string; certificate?: string } = {}): string {
  try {
    return ring.identify({ authorization, certificate: more.certificate, vhost: more.vhost }).name;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test("accepts a key, with the scheme in any case", () => {
  const ring = keyring();
  ring.replace("/a", { keys: [key("ck_1"), key("ck_2")], certificates: [] });
  for (const scheme of ["Bearer", "bearer", "BEARER"]) expect(ask(ring, `${scheme} ck_2`)).toBe("name-ck_2");
  expect(ring.identify({ authorization: "Bearer ck_1", certificate: undefined, vhost: undefined }).vhost).toBe("/a");
  expect(ring.identifyKey("ck_1", undefined).name).toBe("name-ck_1");
});

test.each([
  undefined,
  "",
  "Bearer",
  "Bearer ",
  "ck_1",
  "Basic ck_1",
  "Bearer ck_1,ck_2",
  "Bearer ck_1 ck_2",
  "Bearer ck_",
  "Bearer ck_11",
  "Bearer CK_1",
  "Bearer __proto__",
  "xBearer ck_1",
  "Bearer\u0000ck_1",
  `Bearer ${hashKey("ck_1")}`,
  `Bearer ${"x".repeat(100_000)}`,
])("refuses the authorization %.40j", (authorization) => {
  const ring = keyring();
  ring.replace("/", { keys: [key("ck_1")], certificates: [] });
  expect(ask(ring, authorization)).toBe("unauthenticated");
});

test("limits a key to its vhost", () => {
  const ring = keyring();
  ring.replace("/", { keys: [key("root")], certificates: [] });
  ring.replace("/a", { keys: [key("a")], certificates: [] });
  expect(ask(ring, "Bearer a", { vhost: "/a" })).toBe("name-a");
  expect(ask(ring, "Bearer a", { vhost: "/" })).toBe("permission_denied");
  expect(ask(ring, "Bearer root", { vhost: "/a" })).toBe("permission_denied");
  expect(ask(ring, "Bearer root", { vhost: "/none" })).toBe("permission_denied");
  expect(ask(ring, "Bearer wrong", { vhost: "/a" })).toBe("unauthenticated");
  expect(() => ring.identifyKey("a", "/")).toThrow(/not valid for vhost/);
});

test("limits a key to its actions and topics", () => {
  const ring = keyring();
  const keys = [
    key("all"),
    key("some", { actions: ["publish", "tokens"], topics: ["orders.*", "news"] }),
    key("both", { actions: ["publish", "*"] }),
  ];
  ring.replace("/", { keys, certificates: [] });
  const [all, some, both] = ["all", "some", "both"].map((secret) => ring.identifyKey(secret, undefined));
  expect([all?.actions.has("vhosts"), all?.mayUse("anything")]).toEqual([true, true]);
  expect([...(some?.actions ?? [])]).toEqual(["publish", "tokens"]);
  expect([all?.topics, some?.topics]).toEqual([[], ["orders.*", "news"]]);
  expect(["orders.1", "news", "orders.1.2", "other"].map((topic) => some?.mayUse(topic))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(both?.actions).toEqual(all?.actions);
});

test("revokes keys at once, and changes nothing when the new ones are invalid", () => {
  const ring = keyring();
  ring.replace("/", { keys: [key("a"), key("b")], certificates: [] });
  ring.replace("/", { keys: [key("b"), key("c")], certificates: [] });
  expect(["a", "b", "c"].map((secret) => ask(ring, `Bearer ${secret}`))).toEqual([
    "unauthenticated",
    "name-b",
    "name-c",
  ]);
  expect(() => ring.replace("/", { keys: [key("d"), key("e", { topics: ["a*b"] })], certificates: [] })).toThrow(
    /a\*b/,
  );
  expect(() => ring.replace("/", { keys: [key("d"), key("d")], certificates: [] })).toThrow(/already/);
  expect(() => ring.replace("/a", { keys: [key("b")], certificates: [] })).toThrow(
    expect.objectContaining({ code: "already_exists" }),
  );
  expect(["b", "c", "d"].map((secret) => ask(ring, `Bearer ${secret}`))).toEqual([
    "name-b",
    "name-c",
    "unauthenticated",
  ]);
  ring.replace("/a", { keys: [key("other")], certificates: [] });
  ring.remove("/");
  expect(["b", "other"].map((secret) => ask(ring, `Bearer ${secret}`))).toEqual(["unauthenticated", "name-other"]);
});

test("identifies callers as anonymous in existing vhosts when no key is required", () => {
  const ring = keyring({ open: true });
  const backend = ring.identify({ authorization: undefined, certificate: undefined, vhost: "/a" });
  expect([backend.name, backend.vhost, backend.actions.has("keys"), backend.mayUse("x")]).toEqual([
    "anonymous",
    "/a",
    true,
    true,
  ]);
  expect(ring.identify({ authorization: "Bearer x", certificate: undefined, vhost: undefined }).vhost).toBe("/");
  expect(ask(ring, undefined, { vhost: "/none" })).toBe("not_found");
  expect(ask(keyring(), undefined)).toBe("unauthenticated");
});

test("requires a key for good after the first one, even when it is removed", () => {
  const ring = keyring({ open: true });
  ring.replace("/a", { keys: [key("a")], certificates: [] });
  expect([ring.open, ask(ring), ask(ring, "Bearer a")]).toEqual([false, "unauthenticated", "name-a"]);
  ring.replace("/a", { keys: [], certificates: [] });
  expect([ring.open, ask(ring)]).toEqual([false, "unauthenticated"]);
  const other = keyring({ open: true });
  other.replace("/", { keys: [], certificates: [{ subject: "CN=a", name: "a", actions: ["*"], topics: [] }] });
  expect([other.open, ask(other)]).toEqual([false, "unauthenticated"]);
});

test("forgets the anonymous backend of a deleted vhost", () => {
  let there = true;
  const ring = keyring({ open: true, hasVhost: () => there });
  expect(ask(ring, undefined, { vhost: "/a" })).toBe("anonymous");
  there = false;
  expect(ask(ring, undefined, { vhost: "/a" })).toBe("not_found");
});

test("answers unavailable to unknown keys until all keys are loaded", () => {
  let loaded = false;
  const open = keyring({ open: true, loaded: () => loaded });
  const closed = keyring({ loaded: () => loaded });
  closed.replace("/", { keys: [key("a")], certificates: [] });
  expect([ask(open), ask(closed, "Bearer b"), ask(closed, "Bearer a")]).toEqual([
    "unavailable",
    "unavailable",
    "name-a",
  ]);
  loaded = true;
  expect([ask(open), ask(closed, "Bearer b")]).toEqual(["anonymous", "unauthenticated"]);
});

test("records the last use, and reports it once a minute even when keys are replaced", () => {
  const clock = clockAt();
  const told: unknown[] = [];
  const ring = keyring({ clock, onUsed: (use) => told.push(use) });
  ring.replace("/", { keys: [key("a"), key("b")], certificates: [] });
  expect(ring.lastUsed("/", "id-a")).toBeUndefined();
  ask(ring, "Bearer a");
  clock.advance(59_999);
  ask(ring, "Bearer a");
  ask(ring, "Bearer a", { vhost: "/a" });
  ring.replace("/", { keys: [key("a")], certificates: [] });
  expect(ring.lastUsed("/", "id-a")).toBe(NOW + 59_999);
  expect(ring.lastUsed("/a", "id-a")).toBeUndefined();
  clock.advance(1);
  ask(ring, "Bearer a");
  expect(told).toEqual([
    { vhost: "/", id: "id-a", at: NOW },
    { vhost: "/", id: "id-a", at: NOW + 60_000 },
  ]);
});

test("creates keys of 256 random bits, and keeps only the hash", () => {
  const { hash, secret } = createKey();
  expect(secret).toMatch(/^ck_[\w-]{43}$/);
  expect(hash).toBe(hashKey(secret));
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(createKey().secret).not.toBe(secret);
});

test("accepts certificates with exactly the configured subject", () => {
  const ring = keyring();
  const scope = { name: "billing", actions: ["publish" as const], topics: ["b*"] };
  ring.replace("/a", { keys: [], certificates: [{ subject: "cn=billing, O=Example", ...scope }] });
  const certificate = "CN=billing,O=Example";
  expect(ask(ring, undefined, { certificate })).toBe("billing");
  expect(ask(ring, undefined, { certificate, vhost: "/" })).toBe("permission_denied");
  for (const other of [
    "CN=billing",
    "O=Example,CN=billing",
    "CN=billing,O=Example,C=DE",
    "CN=billing,O=Example2",
    "CN=xbilling,O=Example",
    "CN=Billing,O=Example",
    String.raw`CN=billing\,O=Example`,
    String.raw`CN=billing\\,O=Example`,
    "OU=billing,O=Example",
    "",
    "billing",
  ]) {
    expect([other, ask(ring, undefined, { certificate: other })]).toEqual([other, "unauthenticated"]);
  }
});

test("uses the key rather than the certificate when both are sent", () => {
  const ring = keyring();
  ring.replace("/", { keys: [key("a")], certificates: [] });
  ring.replace("/a", { keys: [], certificates: [{ subject: "CN=c", name: "c", actions: ["*"], topics: [] }] });
  expect(ask(ring, "Bearer a", { certificate: "CN=c" })).toBe("name-a");
  expect(ask(ring, "Bearer wrong", { certificate: "CN=c" })).toBe("unauthenticated");
  expect(() =>
    ring.replace("/", { keys: [], certificates: [{ subject: "CN=c", name: "c", actions: ["*"], topics: [] }] }),
  ).toThrow(/already/);
  expect(() =>
    ring.replace("/", { keys: [], certificates: [{ subject: "c", name: "c", actions: ["*"], topics: [] }] }),
  ).toThrow(/subject/);
});

test.each([
  [{ C: "DE", O: "Example", CN: "a" }, "CN=a,O=Example,C=DE"],
  [{ O: ["x", "y"], CN: "a" }, "CN=a,O=y,O=x"],
  [{ O: "Example", CN: "a,O=Evil" }, String.raw`CN=a\,O\=Evil,O=Example`],
  [{ O: "Example", CN: "a\\" }, String.raw`CN=a\\,O=Example`],
  [{ CN: "a+b;c\n" }, String.raw`CN=a\+b\;c`],
  [{ CN: "a\nb" }, String.raw`CN=a\0ab`],
])("formats Node's subject %j as %s, which normalizes to itself", (subject, text) => {
  expect(formatSubject(subject)).toBe(text);
  expect(normalizeSubject(text)).toBe(text);
});

test("normalizes different spellings of a subject", () => {
  expect(normalizeSubject(String.raw`cn = a\2Cb , o=\C3\A9`)).toBe(normalizeSubject(String.raw`CN=a\,b,O=é`));
  expect(normalizeSubject("CN=a+OU=b,O=c")).toBe("CN=a,OU=b,O=c");
  expect(normalizeSubject("2.5.4.3=a")).toBe("2.5.4.3=a");
});
