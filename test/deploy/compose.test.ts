import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { configReader } from "../../src/server/config.js";
import { packageRoot } from "../../src/util/package-root.js";
import { readStages } from "../support/deploy/dockerfile.js";
import { temporaryFile } from "../support/temporary-files.js";

/** Compares deploy/compose.yaml with the files that it uses. Docker is not needed. */

const FOLDER = join(packageRoot, "deploy");
const TEXT = readFileSync(join(FOLDER, "compose.yaml"), "utf8");

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: object | readonly string[];
  readonly networks?: { readonly default: { readonly ipv4_address: string } };
  readonly stop_grace_period?: string;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly read_only?: boolean;
}

const { services, volumes } = parse(TEXT, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: object;
};
const nodes = Object.entries(services).filter(([name]) => /^carillon-\d$/.test(name));

/** Settings of the nodes, with a key. */
function settings() {
  const text = readFileSync(join(FOLDER, "settings", "carillon.yaml"), "utf8").replace(
    "HASH_OF_YOUR_KEY",
    `sha256:${"0".repeat(64)}`,
  );
  return configReader.load({ file: temporaryFile("carillon.yaml", text) });
}

test("has three nodes, which the proxy and Prometheus know by name", () => {
  const proxy = readFileSync(join(FOLDER, "proxies", "nginx.conf"), "utf8");
  const prometheus = readFileSync(join(FOLDER, "prometheus", "prometheus.yml"), "utf8");
  expect(nodes).toHaveLength(3);
  for (const [name] of nodes) {
    expect(proxy).toContain(`${name}:8080`);
    expect(proxy).toContain(`${name}:6001`);
    expect(prometheus).toContain(`${name}:8080`);
  }
});

test("mounts files that exist, and names only services and volumes that it has", () => {
  const mounts = Object.values(services).flatMap((service) => service.volumes ?? []);
  const sources = mounts.map((mount) => mount.split(":")[0] ?? "");
  // The certificate is the operator's.
  const files = sources.filter((source) => source.startsWith("./") && source !== "./tls");
  expect(files.filter((file) => !existsSync(join(FOLDER, file)))).toEqual([]);
  expect(sources.filter((source) => !source.startsWith("./") && !(source in volumes))).toEqual([]);
  const needed = Object.values(services).flatMap(({ depends_on: list = [] }) =>
    Array.isArray(list) ? (list as readonly string[]) : Object.keys(list),
  );
  expect(needed.filter((name) => !(name in services))).toEqual([]);
  expect(needed.length).toBeGreaterThan(3);
});

test("builds the image that all nodes use, and checks them by the image's own program", () => {
  const [, first] = nodes[0] ?? [];
  const dockerfile = join(FOLDER, first?.build?.context ?? "", first?.build?.dockerfile ?? "");
  expect(statSync(dockerfile).isFile()).toBe(true);
  const entry = JSON.stringify(readStages(readFileSync(dockerfile, "utf8")).at(-1));
  for (const [, { healthcheck, image, read_only: readOnly }] of nodes) {
    expect({ image, readOnly }).toEqual({ image: first?.image, readOnly: true });
    const [kind, runtime = "", program = "", ...command] = healthcheck?.test ?? [];
    expect([kind, ...command]).toEqual(["CMD", "health", "--ready"]);
    for (const path of [runtime, program]) expect(entry).toContain(path);
  }
});

test("has valid settings, which trust the proxy, name the NATS service and hide the try-it page", () => {
  const { brokers, page, trusted_proxies: trusted } = settings();
  expect(page).toBe("off");
  expect(trusted).toEqual([services["nginx"]?.networks?.default.ipv4_address]);
  expect(brokers).toMatchObject({ nats: { servers: ["nats://nats:4222"] } });
  expect(services["nats"]?.command).toContain("--jetstream");
});

test("mounts the folder of the settings, so that a reload reads a file that an editor has replaced", () => {
  for (const [, { volumes: mounts = [] }] of nodes) {
    expect(mounts).toEqual(["./settings:/etc/carillon:ro"]);
    expect(statSync(join(FOLDER, "settings")).isDirectory()).toBe(true);
  }
  const final = readStages(readFileSync(join(FOLDER, "Dockerfile"), "utf8")).at(-1);
  expect(JSON.stringify(final)).toContain('"/etc/carillon"');
});

test("waits longer for a node to stop than the node takes", () => {
  const { drain, stop_timeout: stopping } = settings();
  const whole = (drain.delay + drain.timeout + stopping) / 1_000;
  for (const [, { stop_grace_period: grace }] of nodes) {
    expect(Number(/^(\d+)s$/.exec(grace ?? "")?.[1])).toBeGreaterThan(whole);
  }
  const unit = readFileSync(join(FOLDER, "systemd", "carillon.service"), "utf8");
  expect(Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)?.[1])).toBeGreaterThan(whole);
});

const compose = process.env["COMPOSE_CHECK"];
const withSchema = compose === undefined ? describe.skip : describe;
const reason = process.env["COMPOSE_CHECK_MISSING"] ?? "run by npm test";

withSchema(`with the library of Docker Compose${compose === undefined ? ` (skipped: ${reason})` : ""}`, () => {
  test("is valid", () => {
    const output = execFileSync(compose ?? "", [join(FOLDER, "compose.yaml")], { encoding: "utf8" });
    expect(output).toContain("carillon-3");
  });
});
