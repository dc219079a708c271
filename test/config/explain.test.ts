import { configReader } from "../../src/server/config.js";
import { temporaryFile } from "../support/temporary-files.js";

const SECRET = "s3cret-".repeat(10);

function explain(key: string, yaml = "", environment: NodeJS.ProcessEnv = {}): string {
  return configReader.explain(key, { file: temporaryFile("carillon.yaml", yaml), environment });
}

test("explains a setting with its default", () => {
  expect(explain("limits.outbox")).toBe(`limits.outbox
  Bytes that wait for one slow client. Beyond it slow_consumer applies.
  type      size, 4KiB to 1GiB
  default   1MiB
  variable  CARILLON_LIMITS_OUTBOX
  live      yes: carillon reload changes it
  from      default
`);
});

test("shows the current value and where it comes from", () => {
  const yaml = "http: 127.0.0.1:1\nlimits:\n  outbox: 2MiB\n";
  expect(explain("limits.outbox", yaml)).toMatch(/^ {2}value +"2MiB"\n {2}from +\/.*carillon\.yaml, line 3$/m);
  expect(explain("limits.outbox", yaml, { CARILLON_LIMITS_OUTBOX: "3MiB" })).toMatch(
    /^ {2}value +"3MiB"\n {2}from +CARILLON_LIMITS_OUTBOX$/m,
  );
  expect(explain("brokers", "", { CARILLON_BROKER: "nats://h:1" })).toMatch(/from +CARILLON_BROKER$/m);
});

test("explains a setting that can be written in short", () => {
  const variables = /variable +CARILLON_GRPC_LISTEN or CARILLON_GRPC$/m;
  expect(explain("grpc")).toMatch(/keys +listen, server, max_connection_age$/m);
  expect(explain("grpc.listen")).toMatch(variables);
  expect(explain("grpc.listen", "\ngrpc: 127.0.0.1:1")).toMatch(/value +"127.0.0.1:1"\n +from +.*, line 2$/m);
  expect(explain("grpc.listen", "grpc:\n  listen: 127.0.0.1:1")).toMatch(/from +.*, line 2$/m);
  expect(explain("grpc.listen", "", { CARILLON_GRPC: "127.0.0.1:1" })).toMatch(/from +CARILLON_GRPC$/m);
  expect(explain("grpc.server", "grpc: 127.0.0.1:1")).toMatch(/variable +CARILLON_GRPC_SERVER\n.*\n +from +default$/m);
});

test("says which settings need a restart", () => {
  expect(explain("http")).toMatch(/live +no: a change needs a restart/);
  expect(explain("limits.request")).toMatch(/live +no/);
  expect(explain("vhosts./shop.access", "vhosts: { /shop: { access: private } }")).toMatch(/live +yes/);
});

test("finds settings of vhosts, brokers and rules", () => {
  const yaml = 'vhosts: { /shop/eu: { topics: [{ match: "a" }, { match: "b" }] } }\nbrokers: { n: { driver: memory } }';
  expect(explain("vhosts./shop/eu.topics[1].match", yaml)).toMatch(/default +required[\s\S]*value +"b"/);
  expect(explain("vhosts.PATH.tokens.secret_file", yaml)).toContain("CARILLON_VHOSTS_PATH_TOKENS_SECRET_FILE");
  expect(explain("vhosts./.tokens.secret_file", yaml)).toContain("CARILLON_VHOSTS_TOKENS_SECRET_FILE");
  expect(explain("brokers.n", yaml)).toMatch(/keys .*servers/);
  expect(explain("store")).not.toContain("CARILLON_STORE");
});

test("names the keys of the entries of a map", () => {
  expect(explain("vhosts./.history", "vhosts: { /: {} }")).toMatch(/^ {2}type +map of objects with messages, age, /m);
  expect(explain("vhosts./.anonymous.permissions")).toMatch(/^ {2}keys +/m);
  expect(explain("brokers")).toMatch(/^ {2}type +map of objects with driver.* or objects with driver, servers/m);
  expect(explain("vhosts./.topics")).toMatch(/^ {2}type +list of objects with match, access, /m);
});

test("does not show secrets", () => {
  const yaml = `
brokers:
  n: { driver: nats, servers: ["nats://me:${SECRET}@h:1"] }
  o: { driver: nats, servers: [nats://h:1], user: me, password: ${SECRET} }
vhosts: { /: { tokens: { secret: ${SECRET} }, jwt: { jwks_url: "https://h/?k=${SECRET}" } } }
webrocket: { admin: { listen: 127.0.0.1:0, cookie: ${SECRET} } }
`;
  const keys = [
    "brokers",
    "brokers.n.servers",
    "brokers.n.servers[0]",
    "brokers.o.password",
    "vhosts",
    "vhosts./.tokens",
    "vhosts./.tokens.secret",
    "vhosts./.jwt.jwks_url",
    "webrocket",
    "webrocket.admin.cookie",
  ];
  for (const key of keys) expect(explain(key, yaml)).not.toContain("s3cret");
  expect(explain("vhosts./.tokens.secret", yaml)).toMatch(/value +\(not shown\)/);
  expect(explain("webrocket.admin.cookie", yaml)).toMatch(/value +\(not shown\)/);
});

test.each([
  [`https://user:${SECRET}@h/x@y`, "https://(not shown)@h/x@y"],
  [`https://user:${SECRET}/@h/x`, "https://(not shown)@h/x"],
  [`grpc://h:1/?key=${SECRET}`, "grpc://h:1/?(not shown)"],
  ["https://h/x@y", "https://h/x@y"],
])("hides the user, password and query of a URL: %j", (url, shown) => {
  const yaml = `vhosts: { /: { hooks: { url: "${url}" }, jwt: { jwks_url: "${url}" } } }`;
  for (const key of ["vhosts", "vhosts./.hooks", "vhosts./.jwt"]) expect(explain(key, yaml)).not.toContain("s3cret");
  for (const key of ["vhosts./.hooks.url", "vhosts./.jwt.jwks_url"]) {
    expect(explain(key, yaml)).toContain(`value     ${JSON.stringify(shown)}\n`);
  }
});

test.each([
  ["limits.outbx", "limits.outbx: unknown key; did you mean limits.outbox?"],
  ["limts.outbox", "limts: unknown key; did you mean limits?"],
  ["limits.outbox.x", "limits.outbox.x: unknown key; it has no keys"],
  ["ping.zzzzzzzz", "ping.zzzzzzzz: unknown key; known: interval, timeout"],
  ["__proto__", "__proto__: unknown key; known: "],
  ["limits.constructor", "limits.constructor: unknown key; known: "],
  ["", "expected a key, such as limits.outbox"],
])("refuses an unknown key: %j", (key, expected) => {
  expect(() => explain(key)).toThrow(expected);
});
