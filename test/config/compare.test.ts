import { type ConfigInput, configReader, parseConfig } from "../../src/server/config.js";

function compare(running: ConfigInput, next: ConfigInput) {
  return configReader.compare(parseConfig(running), parseConfig(next));
}

test("applies live settings, and lists those that need a restart", () => {
  const { config, live, restart } = compare(
    { http: "127.0.0.1:1", limits: { outbox: "2MiB" } },
    { http: "127.0.0.1:2", limits: { outbox: "3MiB", request: "5MiB" }, compression: true, vhosts: { "/shop": {} } },
  );
  expect(config).toMatchObject({ http: { port: 1 }, limits: { outbox: 3 * 1_024 ** 2, request: 4 * 1_024 ** 2 } });
  expect(live).toEqual(["vhosts./shop", "limits.outbox"]);
  expect(restart).toEqual(["http", "limits.request", "compression"]);
});

test("leaves the settings of the gRPC port to a restart, in both of their forms", () => {
  const object = { grpc: { listen: "127.0.0.1:1", server: "native" as const } };
  const { config, restart } = compare({ grpc: "127.0.0.1:1" }, object);
  expect([config.grpc.server, restart]).toEqual(["grpc-js", ["grpc.server"]]);
  expect(compare(object, { grpc: "127.0.0.1:2" }).restart).toEqual(["grpc.listen", "grpc.server"]);
  expect(compare({ grpc: "127.0.0.1:1" }, { grpc: { listen: "127.0.0.1:1" } }).restart).toEqual([]);
});

test("finds settings that were removed", () => {
  const { live, restart } = compare(
    { tls: { cert_file: "c", key_file: "k" }, limits: { outbox: "2MiB" }, drain: { rate: 1 } },
    { limits: {} },
  );
  expect(live).toEqual(["limits.outbox", "drain.rate"]);
  expect(restart).toEqual(["tls"]);
});

test("names the changed settings of a vhost", () => {
  const rule = { match: "a" };
  const { live } = compare(
    { vhosts: { "/": { access: "open" }, "/old": {} } },
    { vhosts: { "/": { access: "private", topics: [rule], limits: { connections: 1 } } } },
  );
  expect(live.toSorted()).toEqual(["vhosts./.access", "vhosts./.limits.connections", "vhosts./.topics", "vhosts./old"]);
});

test("refuses live settings that need others which cannot change", () => {
  expect(() => compare({}, { limits: { payload: "8MiB", request: "9MiB" } })).toThrow(
    "needs a restart, because limits.request cannot change in a running node: limits: payload: expected at most request",
  );
  const nats = { driver: "nats" as const, servers: ["nats://h:1"] };
  expect(() => compare({}, { brokers: { nats }, vhosts: { "/": { brokers: ["nats"] } } })).toThrow(
    /needs a restart, because brokers\.\S+ .*unknown broker "nats"/,
  );
});

test("remembers what a reload has left to a restart", () => {
  const first = compare({ http: "127.0.0.1:1" }, { http: "127.0.0.1:2", limits: { outbox: "2MiB" } });
  const second = configReader.compare(first.config, parseConfig({ http: "127.0.0.1:2", limits: { outbox: "2MiB" } }));
  expect([second.live, second.restart]).toEqual([[], ["http"]]);
});
