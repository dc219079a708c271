import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { configReader } from "../../src/server/config.js";
import { packageRoot } from "../../src/util/package-root.js";

/** Compares the files of deploy/proxies/ with each other and with the defaults. test/e2e/proxies.test.ts runs most of them. */

const FOLDER = join(packageRoot, "deploy", "proxies");
const files = readdirSync(FOLDER).map((name) => [name, readFileSync(join(FOLDER, name), "utf8")] as const);

interface Cluster {
  readonly name: string;
  readonly load_assignment: { readonly cluster_name: string };
  readonly health_checks: readonly object[];
}

test.each(files)("%s has three nodes on both ports, keeps /metrics private, and outlasts pings", (_name, text) => {
  const nodes = [1, 2, 3].flatMap((number) => [`carillon-${number}:8080`, `carillon-${number}:6001`]);
  // Envoy writes the port in a field of its own.
  const addresses = text.replaceAll(/, port_value: /g, ":");
  for (const node of nodes) expect(addresses).toContain(node);
  expect(text).toMatch(/healthz.readyz.metrics|\/healthz \/readyz \/metrics/);
  const { ping } = configReader.load({});
  // Timeouts of WebSockets and event streams, where the proxy has any.
  const idle = [...text.matchAll(/(?:proxy_read_timeout|timeout tunnel|timeout client|stream_idle_timeout:) (\d+)s/g)];
  for (const [, seconds] of idle) expect(Number(seconds) * 1_000).toBeGreaterThan(ping.interval + ping.timeout);
});

test("envoy.yaml routes to the clusters that it has, each with a health check", () => {
  const text = readFileSync(join(FOLDER, "envoy.yaml"), "utf8");
  const { static_resources: resources } = parse(text) as {
    readonly static_resources: { readonly clusters: readonly Cluster[]; readonly listeners: readonly unknown[] };
  };
  const names = resources.clusters.map(({ name }) => name);
  const routed = [...JSON.stringify(resources.listeners).matchAll(/"cluster":"(\w+)"/g)].map(([, name]) => name);
  expect([...new Set(routed)].toSorted()).toEqual(names.toSorted());
  for (const { health_checks: checks, load_assignment: load, name } of resources.clusters) {
    expect(checks).toHaveLength(1);
    expect(load.cluster_name).toBe(name);
  }
});
