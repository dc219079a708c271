import { z } from "zod";
import { normalSubject } from "../access/subject.js";
import { parseNetwork } from "../net/networks.js";
import { compileOriginPattern } from "../net/origin-pattern.js";
import { DEFAULT_VHOST } from "../util/names.js";
import { address } from "./address.js";
import { dialects } from "./dialects.js";
import { count } from "./numbers.js";
import { roadrunner, roadrunnerFaults } from "./roadrunner.js";
import { bytes, duration } from "./units.js";
import { brokerName, vhost, vhostPath } from "./vhost.js";

export type { VhostSettings } from "./vhost.js";

/**
 * The configuration file, key by key. Defaults stand here and nowhere else; `carillon config --print-defaults` shows
 * them with their meaning (defaults.ts).
 */

/** An address, or a network in CIDR form. */
const network = z
  .string()
  .refine((text) => parseNetwork(text) !== undefined, "expected an address or a network such as 10.0.0.0/8");

/** `*`, `null`, `file://`, an exact origin, or one with a single `*` in it. */
const originPattern = z.string().superRefine((text, context) => {
  const fault = ["*", "null"].includes(text.toLowerCase()) ? undefined : compileOriginPattern(text);
  if (typeof fault === "string") context.addIssue({ code: "custom", message: fault });
});

const LOOPBACK_ORIGINS = ["http", "https"].flatMap((scheme) =>
  ["localhost", "127.0.0.1", "[::1]"].flatMap((host) => [`${scheme}://${host}`, `${scheme}://${host}:*`]),
);

/** One caller may hold half of what is received, and a compressed request counts as sent and as inflated. */
const LEAST_RECEIVING = 4;

const natsServer = z
  .string()
  .refine(
    (url) => /^(?:nats|tls):\/\/[^\s/]+$/.test(url) && URL.canParse(url),
    "expected nats://HOST:PORT or tls://HOST:PORT",
  );

const memoryBroker = z.strictObject({ driver: z.literal("memory") });

const natsBroker = z
  .strictObject({
    driver: z.literal("nats"),
    servers: z.array(natsServer).min(1),
    prefix: z
      .string()
      .regex(/^[\w-]+(?:\.[\w-]+)*$/, "expected subject tokens of letters, digits, _ and -, such as carillon")
      .default("carillon"),
    client_name: z.string().default("carillon"),
    user: z.string().optional(),
    password: z.string().optional(),
    token: z.string().optional(),
    nkey_file: z.string().optional(),
    creds_file: z.string().optional(),
    tls: z
      .strictObject({
        ca_file: z.string().optional(),
        cert_file: z.string().optional(),
        key_file: z.string().optional(),
      })
      .optional(),
    pending: bytes("64KiB", "4GiB").prefault("64MiB"),
    confirm_timeout: duration("100ms", "1m").prefault("5s"),
  })
  .refine(({ password, user }) => (user === undefined) === (password === undefined), {
    message: "user and password go together",
  })
  .refine(
    ({ creds_file, nkey_file, token, user }) =>
      [user, token, nkey_file, creds_file].filter((way) => way !== undefined).length <= 1,
    { message: "only one of user, token, nkey_file and creds_file" },
  );

const broker = z.discriminatedUnion("driver", [memoryBroker, natsBroker]);

export const schema = z
  .strictObject({
    http: address.prefault("127.0.0.1:8080"),
    grpc: address.prefault("127.0.0.1:6001"),
    insecure: z.boolean().default(false),
    admin: z.strictObject({ listen: address.optional() }).prefault({}),
    origins: z.array(originPattern).default(LOOPBACK_ORIGINS),
    page: z.enum(["auto", "on", "off"]).default("auto"),
    brokers: z
      .record(brokerName, broker)
      .refine((brokers) => Object.keys(brokers).length > 0, "expected at least one broker")
      .prefault({ memory: { driver: "memory" } }),
    // The default vhost is always there.
    vhosts: z
      .record(vhostPath, vhost)
      .prefault({})
      .transform((vhosts) => ({ [DEFAULT_VHOST]: vhost.parse({}), ...vhosts })),
    store: z
      .discriminatedUnion("driver", [
        z.strictObject({ driver: z.literal("memory") }),
        z.strictObject({ driver: z.literal("file"), path: z.string().min(1) }),
        z.strictObject({
          driver: z.literal("nats"),
          broker: brokerName.optional(),
          bucket: z
            .string()
            .regex(/^[\w-]{1,64}$/, "expected a name of letters, digits, _ and -")
            .default("carillon"),
          replicas: count(1, 5).default(1),
        }),
      ])
      .prefault({ driver: "memory" }),
    cluster: z.strictObject({ broker: brokerName.optional() }).prefault({}),
    tls: z
      .strictObject({
        cert_file: z.string().min(1),
        key_file: z.string().min(1),
        min_version: z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.2"),
      })
      .optional(),
    client_certificates: z
      .strictObject({ ca_file: z.string().min(1), required: z.boolean().default(false) })
      .optional(),
    trusted_proxies: z.array(network).default([]),
    proxy_protocol: z.boolean().default(false),
    limits: z
      .strictObject({
        connections: count(1, 10_000_000).default(50_000),
        topics_per_connection: count(1, 1_000_000).default(1_000),
        calls_per_connection: count(1, 1_000_000).default(100),
        topics_per_message: count(1, 1_000_000).default(1_000),
        frame: bytes("1KiB", "64MiB").prefault("1MiB"),
        payload: bytes("1B", "64MiB").prefault("1MiB"),
        request: bytes("1KiB", "256MiB").prefault("4MiB"),
        expanded_request: bytes("1KiB", "4GiB").prefault("64MiB"),
        receiving: bytes("1MiB", "64GiB").prefault("64MiB"),
        backend_answer_bytes_per_second: z.literal("off").or(bytes("64KiB", "10GiB")).prefault("4MiB"),
        outbox: bytes("4KiB", "1GiB").prefault("1MiB"),
        malformed_frames: count(1, 1_000_000).default(10),
      })
      .refine(({ payload, request }) => payload <= request, { message: "payload: expected no more than request" })
      .refine(({ expanded_request, payload }) => payload < expanded_request, {
        message: "payload: expected less than expanded_request",
      })
      .refine(({ frame, receiving, request }) => receiving >= LEAST_RECEIVING * Math.max(frame, request), {
        message: `receiving: expected at least ${LEAST_RECEIVING} times request and frame`,
      })
      .prefault({}),
    ping: z
      .strictObject({
        interval: duration("50ms", "1h").prefault("25s"),
        timeout: duration("20ms", "10m").prefault("8s"),
      })
      .refine(({ interval, timeout }) => timeout < interval, { message: "timeout: expected less than interval" })
      .prefault({}),
    timeouts: z
      .strictObject({
        keep_alive: duration("1s", "1h").prefault("75s"),
        request: duration("1s", "1h").prefault("2m"),
        answer: duration("1s", "1h").prefault("1m"),
      })
      .prefault({}),
    compression: z.boolean().default(false),
    interest_linger: duration("0", "1h").prefault("2s"),
    stop_timeout: duration("0", "10m").prefault("10s"),
    ...dialects,
    roadrunner,
    log: z
      .strictObject({
        level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
        format: z.enum(["auto", "pretty", "json"]).default("auto"),
      })
      .prefault({}),
  })
  .superRefine((config, context) => {
    for (const fault of referenceFaults(config)) context.addIssue({ code: "custom", ...fault });
    for (const fault of roadrunnerFaults(config.roadrunner, config.insecure)) {
      context.addIssue({ code: "custom", ...fault });
    }
  });

interface VhostReferences {
  readonly brokers?: readonly string[] | undefined;
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
  readonly proxy_protocol: boolean;
  readonly trusted_proxies: readonly string[];
}

/** Settings that speak of others that are not there. */
function* referenceFaults(config: References): Generator<{ path: PropertyKey[]; message: string }> {
  const { brokers, cluster, store, vhosts } = config;
  for (const [path, { brokers: named, certificates }] of Object.entries(vhosts)) {
    for (const [position, name] of (named ?? []).entries()) {
      const message = brokerFault(brokers, name, ["memory", "nats"]);
      if (message !== undefined) yield { path: ["vhosts", path, "brokers", position], message };
    }
    if (certificates.length > 0 && config.client_certificates === undefined) {
      yield { path: ["vhosts", path, "certificates"], message: "client_certificates is needed too" };
    }
  }
  yield* sharedFaults(vhosts);
  for (const [key, name] of [
    ["store", store.broker],
    ["cluster", cluster.broker],
  ] as const) {
    const message = name === undefined ? undefined : brokerFault(brokers, name, ["nats"]);
    if (message !== undefined) yield { path: [key, "broker"], message };
  }
  if (store.driver === "nats" && !Object.values(brokers).some(({ driver }) => driver === "nats")) {
    yield { path: ["store", "driver"], message: "nats: no broker is a NATS one" };
  }
  if (config.client_certificates !== undefined && config.tls === undefined) {
    yield { path: ["client_certificates"], message: "tls is needed too" };
  }
  if (config.proxy_protocol && config.trusted_proxies.length === 0) {
    yield { path: ["proxy_protocol"], message: "trusted_proxies: whose word is to be taken?" };
  }
}

/** A key or a certificate that is in the configuration twice: it could not be told whose it is. */
function* sharedFaults(vhosts: References["vhosts"]): Generator<{ path: PropertyKey[]; message: string }> {
  const known = new Map<string, readonly PropertyKey[]>();
  for (const [path, { certificates, keys }] of Object.entries(vhosts)) {
    const entries = [
      ...keys.map(({ hash }, position) => [hash, ["keys", position, "hash"]] as const),
      ...certificates.map(
        ({ subject }, position) => [subjectKey(subject), ["certificates", position, "subject"]] as const,
      ),
    ];
    for (const [text, within] of entries) {
      const place = ["vhosts", path, ...within];
      const first = known.get(text);
      if (first === undefined) known.set(text, place);
      else yield { path: place, message: `the same as ${first.join(".")}` };
    }
  }
}

/** However it is written. */
function subjectKey(subject: string): string {
  try {
    return normalSubject(subject);
  } catch {
    // Told of where it stands.
    return subject;
  }
}

function brokerFault(brokers: References["brokers"], name: string, drivers: readonly string[]): string | undefined {
  const known = Object.entries(brokers).filter(([, { driver }]) => drivers.includes(driver));
  if (known.some(([candidate]) => candidate === name)) return undefined;
  return `no broker named ${JSON.stringify(name)}; known: ${known.map(([candidate]) => candidate).join(", ")}`;
}

/** The configuration as a file holds it: every key may be left out. */
export type ConfigInput = z.input<typeof schema>;

/** The same, complete, in milliseconds and bytes. */
export type Config = z.output<typeof schema>;

export type BrokerConfig = Config["brokers"][string];
