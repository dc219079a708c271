import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { configReader } from "../../src/server/config.js";
import { packageRoot } from "../../src/util/package-root.js";
import { readExamples } from "../support/docs/examples.js";
import { docsPages, readPage } from "../support/docs/pages.js";

const text = readFileSync(join(packageRoot, "carillon.schema.json"), "utf8");
const validate: ValidateFunction = new Ajv2020({ allErrors: true, formats: { uri: true } }).compile(
  JSON.parse(text) as object,
);

function problemsOf(config: unknown): string[] {
  validate(config);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`);
}

test("carillon.schema.json is up to date with npm run docs", () => {
  expect(text).toBe(configReader.writeJsonSchema());
});

test("accepts the file with every default, which names the schema in its first line", () => {
  const defaults = configReader.writeDefaults();
  expect(defaults.split("\n")[0]).toBe("# yaml-language-server: $schema=carillon.schema.json");
  expect(problemsOf(parse(defaults))).toEqual([]);
});

test("accepts both forms of the gRPC port", () => {
  for (const grpc of ["127.0.0.1:1", {}, { listen: "127.0.0.1:1" }, { server: "native" }]) {
    expect(problemsOf({ grpc })).toEqual([]);
  }
});

test("accepts the configuration files of the documentation", () => {
  const files = docsPages()
    .filter((page) => !/^docs\/(?:languages\.md|protocol\/)/.test(page))
    .flatMap((page) => readExamples(readPage(page)).examples)
    .filter(({ code, language }) => language === "yaml" && configReader.tree.knownKeys([]).includes(firstKey(code)));
  expect(files.length).toBeGreaterThan(3);
  for (const { code, file } of files) expect([file, problemsOf(parse(code))]).toEqual([file, []]);
});

function firstKey(code: string): string {
  return Object.keys((parse(code) as object | null) ?? {})[0] ?? "";
}

test.each<[string, string]>([
  ["an unknown key", "htpp: 127.0.0.1:80"],
  ["an unknown key within", "limits: { outbx: 1MiB }"],
  ["an address without a port", "http: localhost"],
  ["a gRPC address without a port", "grpc: localhost"],
  ["a gRPC address without a port in an object", "grpc: { listen: localhost }"],
  ["an unknown gRPC server", "grpc: { server: fast }"],
  ["an unknown key of the gRPC port", "grpc: { address: 127.0.0.1:1 }"],
  ["a size in an unknown unit", "limits: { outbox: 1MB }"],
  ["a duration without a unit", "interest_linger: 5"],
  ["a count as text", "limits: { connections: many }"],
  ["a count out of range", "limits: { connections: 0 }"],
  ["an unknown level", "log: { level: loud }"],
  ["an unknown driver", "brokers: { redis: { driver: redis } }"],
  ["a broker without servers", "brokers: { nats: { driver: nats } }"],
  ["a vhost whose name is no path", "vhosts: { shop: {} }"],
  ["a rule without a pattern", "vhosts: { /: { topics: [{ presence: true }] } }"],
  ["a key without a hash", "vhosts: { /: { keys: [{ name: shop, actions: [publish] }] } }"],
  ["an unknown setting of a dialect", "vhosts: { /: { rootsocket: { allow: true } } }"],
])("rejects %s", (_what, yaml) => {
  expect(problemsOf(parse(yaml))).not.toEqual([]);
});
