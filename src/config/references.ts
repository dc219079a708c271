import { normalizeSubject } from "../access/keys/subject-dn.js";
import type { SettingsProblem } from "./dialect-settings.js";
import { memoryHistoryProblem, type VhostHistory } from "./history.js";

interface VhostReferences extends VhostHistory {
  readonly keys: readonly { readonly hash: string }[];
  readonly certificates: readonly { readonly subject: string }[];
}

interface References {
  readonly brokers: Readonly<Record<string, { readonly driver: string }>>;
  readonly vhosts: Readonly<Record<string, VhostReferences>>;
  readonly store: { readonly driver: string; readonly broker?: string | undefined };
  readonly cluster: { readonly broker?: string | undefined };
  readonly tls?: object | undefined;
  readonly client_certificates?: object | undefined;
  readonly limits: { readonly history: number };
  readonly processes: number | "auto";
  readonly proxy_protocol: boolean;
  readonly trusted_proxies: readonly string[];
}

/** Finds settings that refer to missing ones or exceed a limit of the node, and keys or certificates that occur twice. */
export function* findReferenceProblems(config: References): Generator<SettingsProblem> {
  const { brokers, cluster, limits, store, vhosts } = config;
  for (const [path, { brokers: named, certificates }] of Object.entries(vhosts)) {
    for (const [position, name] of (named ?? []).entries()) {
      const message = brokerProblem(brokers, name, ["memory", "nats"]);
      if (message !== undefined) yield { path: ["vhosts", path, "brokers", position], message };
    }
    if (certificates.length > 0 && config.client_certificates === undefined) {
      yield { path: ["vhosts", path, "certificates"], message: "requires client_certificates" };
    }
  }
  yield* sharedProblems(vhosts);
  const excess = memoryHistoryProblem(brokers, Object.values(vhosts), limits.history);
  if (excess !== undefined) yield { path: ["vhosts"], message: excess };
  for (const [key, name] of [
    ["store", store.broker],
    ["cluster", cluster.broker],
  ] as const) {
    const message = name === undefined ? undefined : brokerProblem(brokers, name, ["nats"]);
    if (message !== undefined) yield { path: [key, "broker"], message };
  }
  if (config.processes !== 1) yield* processProblems(config);
  if (store.driver === "nats" && !Object.values(brokers).some(({ driver }) => driver === "nats")) {
    yield { path: ["store", "driver"], message: "nats: no broker uses the NATS driver" };
  }
  if (config.client_certificates !== undefined && config.tls === undefined) {
    yield { path: ["client_certificates"], message: "requires tls" };
  }
  if (config.proxy_protocol && config.trusted_proxies.length === 0) {
    yield { path: ["proxy_protocol"], message: "requires trusted_proxies" };
  }
}

/** Finds settings with which several processes would not be nodes of one cluster. */
function* processProblems({ brokers, processes, store }: References): Generator<SettingsProblem> {
  const advice = "use NATS (carillon serve --with-nats starts a server), or set processes: 1";
  for (const [name, { driver }] of Object.entries(brokers)) {
    if (driver === "nats") continue;
    const message = `${processes}: the broker ${JSON.stringify(name)} (driver ${driver}) does not connect processes; ${advice}`;
    yield { path: ["processes"], message };
  }
  if (store.driver === "nats") return;
  const message = `${processes}: the store (driver ${store.driver}) belongs to one process; set store.driver: nats`;
  yield { path: ["processes"], message };
}

/** Finds keys and certificates that occur twice, because they would identify two backends. */
function* sharedProblems(vhosts: References["vhosts"]): Generator<SettingsProblem> {
  const known = new Map<string, readonly PropertyKey[]>();
  for (const [path, { certificates, keys }] of Object.entries(vhosts)) {
    const entries = [
      ...keys.map(({ hash }, position) => [hash, ["keys", position, "hash"]] as const),
      ...certificates.map(
        ({ subject }, position) => [subjectKey(subject), ["certificates", position, "subject"]] as const,
      ),
    ];
    for (const [text, within] of entries) {
      const location = ["vhosts", path, ...within];
      const first = known.get(text);
      if (first === undefined) known.set(text, location);
      else yield { path: location, message: `duplicate of ${first.join(".")}` };
    }
  }
}

/** Normalizes a subject, so that different spellings of it are equal. */
function subjectKey(subject: string): string {
  try {
    return normalizeSubject(subject);
  } catch {
    // The schema reports an invalid subject.
    return subject;
  }
}

function brokerProblem(brokers: References["brokers"], name: string, drivers: readonly string[]): string | undefined {
  const known = Object.entries(brokers).filter(([, { driver }]) => drivers.includes(driver));
  if (known.some(([candidate]) => candidate === name)) return undefined;
  return `unknown broker ${JSON.stringify(name)}; known: ${known.map(([candidate]) => candidate).join(", ")}`;
}
