import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import type { ConfigSources } from "../../src/config/config-reader.js";
import { type ConfigInput, configReader, loadConfig, parseConfig } from "../../src/server/config.js";
import { formatAddress } from "../../src/util/address.js";
import { cleanUp } from "../support/clean-up.js";

const MUTUAL_TLS = { tls: { cert_file: "c", key_file: "k" }, client_certificates: { ca_file: "a" } };
const CERTIFICATE = { subject: "CN=shop,O=Example", actions: ["publish" as const] };

function keyNamed(name: string, digit: string) {
  return { name, hash: `sha256:${digit.repeat(64)}`, actions: ["publish" as const] };
}

function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "carillon-config-"));
  cleanUp(() => {
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, "carillon.yaml");
  writeFileSync(file, text);
  return file;
}

function problemsOf(sources: ConfigSources<ConfigInput>): string {
  try {
    loadConfig(sources);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "none";
}

test("starts without configuration: memory broker, loopback only", () => {
  const config = loadConfig({});
  expect(config.brokers).toEqual({ memory: { driver: "memory" } });
  expect(config.http).toEqual({ host: "127.0.0.1", port: 8080 });
  expect(config.grpc).toEqual({
    listen: { host: "127.0.0.1", port: 6001 },
    server: "grpc-js",
    max_connection_age: "off",
  });
});

test("prints every default", () => {
  const printed = parse(configReader.writeDefaults()) as ConfigInput;
  expect(parseConfig(printed)).toEqual(parseConfig({}));
  const keysOf = (value: unknown): unknown =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, keysOf(inner)]))
      : null;
  // An address is one key in the file and two in the configuration.
  expect(keysOf(printed)).toEqual({
    ...(keysOf(parseConfig({})) as object),
    http: null,
    grpc: { listen: null, server: null, max_connection_age: null },
  });
});

test("I8: prints the default of elevated and its meaning", () => {
  expect(configReader.writeDefaults()).toMatch(/# +elevated +true \(the default\)/);
  const { vhosts } = parseConfig({ vhosts: { "/": { socketio: { calls: [{ event: "e" }] } } } });
  expect(vhosts["/"]).toMatchObject({ socketio: { calls: [{ event: "e", elevated: true }] } });
});

test("prefers flags to the environment, and that to the file, key by key", () => {
  const file = fileWith("limits: { outbox: 2MiB, payload: 2KiB, frame: 2KiB }\nhttp: 127.0.0.1:1\n");
  const environment = { CARILLON_LIMITS_OUTBOX: "3MiB", CARILLON_LIMITS_PAYLOAD: "3KiB", CARILLON_INSECURE: "true" };
  const config = loadConfig({ file, environment, flags: { limits: { payload: "4KiB" } } });
  expect(config.limits).toMatchObject({ frame: 2_048, outbox: 3 * 1_024 ** 2, payload: 4_096 });
  expect(config.http.port).toBe(1);
  expect(config.insecure).toBe(true);
});

test("freezes the configuration", () => {
  const config = loadConfig({});
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.limits)).toBe(true);
  expect(Object.isFrozen(config.origins)).toBe(true);
});

test("reads lists from the environment, separated by commas", () => {
  const config = loadConfig({ environment: { CARILLON_ORIGINS: "https://a.example, https://*.b.example" } });
  expect(config.origins).toEqual(["https://a.example", "https://*.b.example"]);
});

test.each([
  ["nats://127.0.0.1:4222", { driver: "nats", servers: ["nats://127.0.0.1:4222"] }],
  ["tls://nats.example:4222", { driver: "nats", servers: ["tls://nats.example:4222"] }],
  ["nats://me:p%40ss@127.0.0.1:4222", { servers: ["nats://me:p%40ss@127.0.0.1:4222"] }],
])("reads the short form of brokers: %s", (broker, expected) => {
  expect(loadConfig({ broker }).brokers["nats"]).toMatchObject(expected);
  expect(loadConfig({ environment: { CARILLON_BROKER: broker } }).brokers["nats"]).toMatchObject(expected);
});

test("refuses a broker that is neither memory nor NATS, without showing a password", () => {
  for (const broker of ["redis://me:secret@h", "nats://me:secret@h:port", "nats://me:secret@h/path", "secret"]) {
    expect(problemsOf({ broker })).toMatch(/broker/);
    expect(problemsOf({ broker })).not.toContain("secret");
  }
});

test.each<[string, ConfigInput | Record<string, unknown>, string]>([
  ["an unknown key", { htpp: "x" }, "htpp: unknown key; did you mean http?"],
  ["an unknown key below", { limits: { outbx: 1 } }, "limits.outbx: unknown key; did you mean outbox?"],
  ["a path as a key", { "grpc.server": "native" }, "grpc.server: unknown key; write grpc: { server: … }"],
  [
    "a longer path as a key",
    { "a.b": 1, "vhosts./.access": "x" },
    "vhosts./.access: unknown key; write vhosts: { /: { access: … } }",
  ],
  ["nothing near", { zzzzzzzz: 1 }, "zzzzzzzz: unknown key; known: http, grpc, processes, insecure"],
  [
    "a key of a broker",
    { brokers: { a: { driver: "nats", servers: ["nats://h:1"], usr: "x" } } },
    "brokers.a.usr: unknown key; did you mean user?",
  ],
  ["an address", { http: "8080" }, "http: expected HOST:PORT"],
  ["a port", { http: "127.0.0.1:70000" }, "http: expected HOST:PORT"],
  ["a time without a unit", { interest_linger: 5 }, "interest_linger: expected a time such as"],
  [
    "a time out of range",
    { interest_linger: "2h" },
    "interest_linger: expected a time such as 500ms, 25s, 2m, from 0 to 1h",
  ],
  ["a size", { limits: { outbox: "1 potato" } }, "limits.outbox: expected a size such as"],
  ["pings", { ping: { interval: "1s", timeout: "1s" } }, "ping: timeout: expected less than interval"],
  ["a vhost's broker", { vhosts: { "/": { brokers: ["nats"] } } }, 'unknown broker "nats"; known: memory'],
  [
    "a broker by a name that every object has",
    { vhosts: { "/": { brokers: ["constructor"] } } },
    'unknown broker "constructor"',
  ],
  [
    "a frame that a client has no room for",
    { limits: { frame: "9MiB" } },
    "receiving: expected at least 8 times frame",
  ],
  ["a request without room", { limits: { request: "11MiB" } }, "receiving: expected at least 6 times request"],
  ["a payload beyond the request", { limits: { payload: "8MiB" } }, "payload: expected at most request"],
  ["no broker", { brokers: {} }, "brokers: expected at least one broker"],
  [
    "two ways in",
    { brokers: { a: { driver: "nats", servers: ["nats://h:1"], token: "t", creds_file: "f" } } },
    "at most one of",
  ],
  [
    "half a login",
    { brokers: { a: { driver: "nats", servers: ["nats://h:1"], user: "u" } } },
    "user and password must be set together",
  ],
  ["two stars", { origins: ["https://*.*.example"] }, "at most one *"],
  [
    "an invalid subject",
    { vhosts: { "/": { certificates: [{ subject: "nonsense", actions: ["publish"] }] } } },
    "vhosts./.certificates.0.subject: expected a subject such as CN=billing,O=Example",
  ],
  [
    "certificates that nobody is asked for",
    { vhosts: { "/shop": { certificates: [CERTIFICATE] } } },
    "vhosts./shop.certificates: requires client_certificates",
  ],
  [
    "two keys of one name",
    { vhosts: { "/": { keys: [keyNamed("a", "1"), keyNamed("b", "2"), keyNamed("a", "3")] } } },
    'vhosts./.keys.2.name: another key of this vhost is named "a"',
  ],
  [
    "one key of two vhosts",
    { vhosts: { "/": { keys: [keyNamed("a", "1")] }, "/shop": { keys: [keyNamed("b", "2"), keyNamed("c", "1")] } } },
    "vhosts./shop.keys.1.hash: duplicate of vhosts./.keys.0.hash",
  ],
  [
    "one certificate of two vhosts, written in two ways",
    {
      ...MUTUAL_TLS,
      vhosts: {
        "/": { certificates: [CERTIFICATE] },
        "/shop": { certificates: [{ ...CERTIFICATE, subject: "cn = shop , O=Example" }] },
      },
    },
    "vhosts./shop.certificates.0.subject: duplicate of vhosts./.certificates.0.subject",
  ],
])("reports the problem: %s", (_what, flags, expected) => {
  expect(problemsOf({ flags: flags as ConfigInput })).toContain(expected);
});

test.each<[unknown, string]>([
  ["6001", "grpc.listen: expected HOST:PORT, such as 127.0.0.1:8080"],
  [6_001, "grpc.listen: Invalid input: expected string, received number"],
  [{ listen: "127.0.0.1" }, "grpc.listen: expected HOST:PORT, such as 127.0.0.1:8080"],
  [{ server: "nativ" }, "grpc.server: expected grpc-js or native"],
  [{ server: true }, "grpc.server: expected grpc-js or native"],
  [{ sever: "native" }, "grpc.sever: unknown key; did you mean server?"],
])("reports the fault of the gRPC port: %j", (grpc, expected) => {
  expect(problemsOf({ flags: { grpc: grpc as never } })).toBe(expected);
});

test.each([
  [{}, "127.0.0.1:6001", "grpc-js"],
  [{ file: "grpc: 127.0.0.1:1" }, "127.0.0.1:1", "grpc-js"],
  [{ file: "grpc: { server: native }" }, "127.0.0.1:6001", "native"],
  [{ file: "grpc: { listen: 127.0.0.1:1, server: native }" }, "127.0.0.1:1", "native"],
  [
    { file: "grpc: { listen: 127.0.0.1:1, server: native }", variables: { GRPC: "127.0.0.1:2" } },
    "127.0.0.1:2",
    "native",
  ],
  [{ file: "grpc: 127.0.0.1:1", variables: { GRPC_SERVER: "native" } }, "127.0.0.1:1", "native"],
  [{ file: "grpc: 127.0.0.1:1", variables: { GRPC_LISTEN: "127.0.0.1:2" } }, "127.0.0.1:2", "grpc-js"],
  [{ variables: { GRPC: "127.0.0.1:2", GRPC_SERVER: "native" } }, "127.0.0.1:2", "native"],
  [{ variables: { GRPC: "127.0.0.1:2", GRPC_SERVER: "native" }, flag: "127.0.0.1:3" }, "127.0.0.1:3", "native"],
])("merges an address of the gRPC port with its other settings: %j", (given, address, server) => {
  const { file, flag, variables = {} }: { file?: string; flag?: string; variables?: Record<string, string> } = given;
  const { grpc } = loadConfig({
    ...(file === undefined ? {} : { file: fileWith(file) }),
    environment: Object.fromEntries(Object.entries(variables).map(([name, value]) => [`CARILLON_${name}`, value])),
    flags: flag === undefined ? {} : { grpc: flag },
  });
  expect([formatAddress(grpc.listen), grpc.server]).toEqual([address, server]);
});

test("refuses two variables for the address of the gRPC port", () => {
  const environment = { CARILLON_GRPC: "127.0.0.1:1", CARILLON_GRPC_LISTEN: "127.0.0.1:2" };
  expect(problemsOf({ environment })).toBe(
    "CARILLON_GRPC_LISTEN: CARILLON_GRPC is set, too, and means the same; set one of them",
  );
});

test.each([
  [{ listen: "x" }, "roadrunner.listen: expected tcp://HOST:PORT, such as tcp://127.0.0.1:6002, or unix:///PATH"],
  [
    { listen: "unix://relative" },
    "roadrunner.listen: expected tcp://HOST:PORT, such as tcp://127.0.0.1:6002, or unix:///PATH",
  ],
  [
    [{ listen: "tcp://127.0.0.1:1" }, { listen: 5 }],
    "roadrunner.1.listen: Invalid input: expected string, received number",
  ],
  [[{ listen: "tcp://127.0.0.1:1", vhots: "/" }], "roadrunner.0.vhots: unknown key; did you mean vhost?"],
  ["tcp://127.0.0.1:1", "roadrunner: expected listen and vhost, or a list of them"],
])("G7: reports the problem of RoadRunner's listeners: %j", (roadrunner, expected) => {
  expect(problemsOf({ flags: { roadrunner: roadrunner as never } })).toBe(expected);
});

test("reports every problem on a line of its own", () => {
  expect(problemsOf({ flags: { http: "x", grpc: "y" } }).split("\n")).toHaveLength(2);
});

test("refuses an unknown variable and suggests a similar one, but ignores variables that Kubernetes sets", () => {
  expect(problemsOf({ environment: { CARILLON_LIMIT_OUTBOX: "1MiB" } })).toBe(
    "CARILLON_LIMIT_OUTBOX: unknown variable; did you mean CARILLON_LIMITS_OUTBOX?",
  );
  const service = {
    CARILLON_SERVICE_HOST: "10.0.0.1",
    CARILLON_SERVICE_PORT_HTTP: "8080",
    CARILLON_PORT: "tcp://10.0.0.1:8080",
    CARILLON_PORT_8080_TCP_ADDR: "10.0.0.1",
  };
  expect(problemsOf({ environment: service })).toBe("none");
});

test("rejects map-valued settings from the environment, and does not suggest them", () => {
  for (const name of ["CARILLON_STORE", "CARILLON_STORES", "CARILLON_VHOSTS"]) {
    expect(problemsOf({ environment: { [name]: "file" } })).not.toMatch(/CARILLON_(?:STORE|VHOSTS)\?/);
    expect(problemsOf({ environment: { [name]: "file" } })).toContain(`${name}: unknown variable`);
  }
});

test("refuses an issuer's URL with a password, without showing it", () => {
  const jwks_url = "https://me:s3cret@login.example.com/keys";
  const problem = problemsOf({ flags: { vhosts: { "/": { jwt: { jwks_url } } } } });
  expect(problem).toBe("vhosts./.jwt.jwks_url: expected no user or password: keys are public");
});

test("allows the same key name in two vhosts", () => {
  const vhosts = { "/": { keys: [keyNamed("a", "1")] }, "/shop": { keys: [keyNamed("a", "2")] } };
  expect(problemsOf({ flags: { vhosts } })).toBe("none");
});

test("refuses certificates without an authority", () => {
  const vhosts = { "/": { certificates: [CERTIFICATE] } };
  expect(problemsOf({ flags: { vhosts, http: "0.0.0.0:80" } })).toMatch(/^vhosts.*requires client_certificates$/);
  expect(problemsOf({ flags: { ...MUTUAL_TLS, vhosts, http: "0.0.0.0:80" } })).toBe("none");
});

test("names a file that is missing, invalid YAML or not a map", () => {
  expect(problemsOf({ file: "/nowhere/carillon.yaml" })).toContain("cannot read /nowhere/carillon.yaml");
  const broken = fileWith("http: [");
  expect(problemsOf({ file: broken })).toContain(broken);
  const list = fileWith("- http");
  expect(problemsOf({ file: list })).toBe(`${list}: expected keys and values`);
  expect(problemsOf({ file: fileWith("") })).toBe("none");
});

test.each(["0.0.0.0:8080", "[::]:8080", ":8080", "192.168.1.5:8080", "carillon.example:8080"])(
  "listening on %s without keys is refused, and --insecure lets it",
  (address) => {
    for (const key of ["http", "grpc"]) {
      expect(problemsOf({ flags: { [key]: address } })).toMatch(new RegExp(`^${key}: .*--insecure`));
      expect(problemsOf({ flags: { [key]: address, insecure: true } })).toBe("none");
    }
  },
);

test.each(["127.0.0.1:0", "localhost:0", "[::1]:0", "127.8.9.1:1"])("treats %s as loopback", (http) => {
  expect(problemsOf({ flags: { http } })).toBe("none");
});
