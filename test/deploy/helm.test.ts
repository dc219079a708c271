import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { configReader } from "../../src/server/config.js";
import { packageRoot } from "../../src/util/package-root.js";
import { readPage } from "../support/docs/pages.js";
import { temporaryFile } from "../support/temporary-files.js";

/** Renders the chart of deploy/helm/ with several values. `npm test -- test/deploy/helm.test.ts -u` writes the expected output. */

const CHART = join(packageRoot, "deploy", "helm", "carillon");
const HELM = process.env["HELM"];

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly replicas?: number;
    readonly egress?: readonly { readonly ports: readonly { readonly port: number }[] }[];
    readonly template?: { readonly spec: { readonly terminationGracePeriodSeconds: number } };
  };
}

function helm(...args: readonly string[]) {
  const { status, stderr, stdout } = spawnSync(HELM ?? "", args, { encoding: "utf8" });
  return { status, stdout, stderr };
}

/** Path of a values file. */
function valuesOf(name: string): string {
  return join(__dirname, "values", `${name}.yaml`);
}

function render(name: string, ...flags: readonly string[]) {
  return renderFile(valuesOf(name), ...flags);
}

function renderFile(values: string, ...flags: readonly string[]) {
  // A program built with `go install` takes Kubernetes 1.20 as its default.
  return helm("template", "rt", CHART, "--kube-version", "1.30.0", "--values", values, ...flags);
}

function manifests(name: string, ...flags: readonly string[]): readonly Manifest[] {
  const { status, stderr, stdout } = render(name, ...flags);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
}

/** Settings in the ConfigMap, which must be valid. */
function settingsOf(rendered: readonly Manifest[]) {
  const text = rendered.find(({ kind }) => kind === "ConfigMap")?.data?.["carillon.yaml"] ?? "";
  return { text, config: configReader.load({ file: temporaryFile("carillon.yaml", text) }) };
}

const group = HELM === undefined ? describe.skip : describe;
const reason = process.env["HELM_MISSING"] ?? "run by npm test";

group(`the chart${HELM === undefined ? ` (skipped: ${reason})` : ""}`, () => {
  test.each(["minimal", "everything"])("renders %s as expected", (name) => {
    const { status, stderr, stdout } = render(name);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatchSnapshot();
  });

  test("is accepted by helm lint", () => {
    for (const name of ["minimal", "everything"]) {
      expect(helm("lint", "--strict", CHART, "--kube-version", "1.30.0", "--values", valuesOf(name))).toMatchObject({
        status: 0,
      });
    }
  });

  test.each([1, 60, 3_600])("gives a pod more time than its steps take when it drains for %d s", (seconds) => {
    const rendered = manifests("minimal", "--set", `drainSeconds=${seconds}`);
    const { drain, stop_timeout: stopping } = settingsOf(rendered).config;
    expect(drain.timeout).toBe(seconds * 1_000);
    const deployment = rendered.find(({ kind }) => kind === "Deployment");
    const grace = (deployment?.spec?.template?.spec.terminationGracePeriodSeconds ?? 0) * 1_000;
    expect(grace).toBeGreaterThan(drain.delay + drain.timeout + stopping);
  });

  test("passes settings on, and determines those of its own", () => {
    const { config, text } = settingsOf(manifests("everything"));
    expect(config.trusted_proxies).toEqual(["10.0.0.0/8"]);
    expect(parse(text)).toMatchObject({
      http: "0.0.0.0:8080",
      admin: { listen: "0.0.0.0:9090" },
      tls: { cert_file: "/etc/carillon/tls/tls.crt" },
      brokers: { nats: { creds_file: "/etc/carillon/nats/creds" } },
    });
    const own = settingsOf(
      manifests(
        "minimal",
        "--set-json",
        'config.brokers={"memory":{"driver":"memory"}}',
        "--set",
        "config.store=null,replicas=1",
      ),
    );
    expect(own.config.brokers).toEqual({ memory: { driver: "memory" } });
  });

  test("accepts the values of docs/cluster-setup.md", () => {
    const [block = ""] = /^ {4}image: .*\n(?: {4}.*\n)+/m.exec(readPage("docs/cluster-setup.md")) ?? [];
    const text = block.replaceAll(/^ {4}/gm, "").replace("sha256:…", `sha256:${"0".repeat(64)}`);
    const { status, stderr, stdout } = renderFile(temporaryFile("values.yaml", text));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const rendered = parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
    expect(settingsOf(rendered).config.origins).toHaveLength(1);
    expect(rendered.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["Ingress", "ServiceMonitor"]));
  });

  test("leaves the number of pods to the autoscaler", () => {
    const deployment = manifests("everything").find(({ kind }) => kind === "Deployment");
    expect(deployment?.spec).not.toHaveProperty("replicas");
  });

  test.each([
    ["nats.servers={nats://nats-1}", [4222]],
    ["nats.servers={nats://10.0.0.1}", [4222]],
    ["nats.servers={nats://[fd00::1]}", [4222]],
    ["nats.servers={tls://nats-1:5222,nats://nats-2:5222,nats://nats-3}", [5222, 4222]],
    ["config.brokers.main.driver=nats,config.brokers.main.servers={nats://x:6222}", [6222]],
  ])("lets the nodes reach the ports of %s", (value, ports) => {
    const rendered = manifests("minimal", "--set", "networkPolicy.enabled=true", "--set", value);
    const [, nats] = rendered.find(({ kind }) => kind === "NetworkPolicy")?.spec?.egress ?? [];
    expect(nats?.ports).toEqual(ports.map((port) => ({ port })));
  });

  test("takes the server of the gRPC port, and sets its address", () => {
    const { config } = settingsOf(manifests("minimal", "--set", "config.grpc.server=native"));
    expect(config.grpc).toMatchObject({ listen: { host: "0.0.0.0", port: 6001 }, server: "native" });
  });

  test("has no object that was not asked for", () => {
    const kinds = manifests("minimal").map(({ kind }) => kind);
    expect(kinds.toSorted()).toEqual(["ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "Service"]);
  });

  test.each([
    ["drainSeconds=0", "drainSeconds"],
    ["replicas=none", "replicas"],
    ["nats.servers={http://nats:4222}", "servers"],
    ["ingress.enabled=true", "hosts"],
    ["httpRoute.enabled=true", "parentRefs"],
    ["drainSecond=5", "drainSecond"],
    [
      "autoscaling.enabled=true,autoscaling.minReplicas=5,autoscaling.maxReplicas=2",
      "autoscaling.maxReplicas: expected",
    ],
  ])("refuses %s", (value, text) => {
    const { status, stderr } = render("minimal", "--set", value);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(text) });
  });

  test.each([
    ["config.vhosts./.jwt.secret", "secret_file to a file of secretFiles"],
    ["config.vhosts./.tokens.secret", "secretFiles"],
    ["config.vhosts./.hooks.key", "key_file"],
    ["config.vhosts./.broadcaster.secret", "secretFiles"],
    ["config.vhosts./.webrocket.access_token", "secretFiles"],
    ["config.webrocket.admin.cookie", "cookie_file"],
    ["config.brokers.main.password", "password_file"],
    ["config.brokers.main.token", "token_file"],
    ["config.brokers.main.servers", "creds_file", "{nats://u:hidden@h}"],
    ["nats.servers", "nats.credsSecret", "{nats://u:hidden@h}"],
  ])("refuses a secret in %s, which the ConfigMap would show", (path, remedy, value = "hidden") => {
    const { status, stderr, stdout } = render("minimal", "--set", `${path}=${value}`);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain(`${path}: the ConfigMap would contain`);
    expect(stderr).toContain(remedy);
    expect(stderr).not.toContain("hidden");
  });

  test.each([
    ["config.http=0.0.0.0:80", "config.http: the chart sets this"],
    ["config.grpc=0.0.0.0:80", "config.grpc: the chart sets this"],
    ["config.grpc.listen=0.0.0.0:80", "config.grpc.listen: the chart sets this"],
    ["config.stop_timeout=1s", "config.stop_timeout: the chart sets this"],
    ["config.admin.listen=0.0.0.0:80", "config.admin.listen: the chart sets this"],
    ["config.drain.delay=1s", "config.drain.delay: the chart sets this"],
    ["config.drain.timeout=1s", "config.drain.timeout: use drainSeconds"],
    ["tlsSecret=a,config.tls.cert_file=b", "config.tls: use either this or tlsSecret"],
  ])("refuses %s, which would have no effect", (value, text) => {
    const { status, stderr } = render("minimal", "--set", value);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(text) });
  });

  const memory = 'config.brokers={"main":{"driver":"memory"}}';
  test.each([
    ["a memory broker", ["--set-json", memory], "config.brokers.main"],
    [
      "a memory broker with autoscaling",
      ["--set-json", memory, "--set", "replicas=1,autoscaling.enabled=true"],
      "config.brokers.main",
    ],
    ["a memory store", ["--set", "config.store.driver=memory"], "config.store"],
    ["a file store", ["--set", "config.store.driver=file"], "config.store"],
    ["no store", ["--set", "config.store=null"], "config.store"],
  ])("refuses several pods with %s", (_, flags, path) => {
    const { status, stderr } = render("minimal", ...flags);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining(`${path}: several pods would not`),
    });
  });

  test("refuses to install nodes that would refuse to start without keys", () => {
    const { status, stderr } = render("minimal", "--set", "config.vhosts=null");
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("no vhost has keys") });
  });
});
