import { z } from "zod";
import { parseAddress } from "../util/address.js";
import { bytes, duration } from "./units.js";

/**
 * The configuration file, key by key. Defaults stand here and nowhere else; `carillon config --print-defaults` shows
 * them with their meaning (defaults.ts).
 */

const address = z.string().transform((text, context) => {
  const parsed = parseAddress(text);
  if (parsed === undefined) {
    context.addIssue({ code: "custom", message: "expected HOST:PORT, such as 127.0.0.1:8080" });
    return z.NEVER;
  }
  return parsed;
});

/** `*`, an exact origin, or one with a single `*` in it. */
const originPattern = z
  .string()
  .regex(/^(?:\*|[a-zA-Z][a-zA-Z0-9+.-]*:\/\/\S+|null)$/, "expected *, or an origin such as https://app.example.com")
  .refine((pattern) => pattern.split("*").length <= 2, "expected at most one * in an origin");

const LOOPBACK_ORIGINS = ["http", "https"].flatMap((scheme) =>
  ["localhost", "127.0.0.1", "[::1]"].flatMap((host) => [`${scheme}://${host}`, `${scheme}://${host}:*`]),
);

const count = (least: number, most: number) => z.number().int().min(least).max(most);

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

const brokerName = z.string().regex(/^[\w-]{1,64}$/, "expected a name of letters, digits, _ and -");

export const DEFAULT_VHOST = "/";

const topicRule = z.strictObject({
  match: z
    .string()
    .min(1)
    .refine((pattern) => !pattern.slice(0, -1).includes("*"), "expected a topic, or the beginning of topics and a *"),
  slow_consumer: z.enum(["disconnect", "drop_oldest", "latest"]).optional(),
  write_delay: duration("0", "10s").optional(),
});

const vhost = z.strictObject({
  brokers: z.array(brokerName).min(1).optional(),
  client_publish: z.boolean().default(false),
  slow_consumer: z.enum(["disconnect", "drop_oldest", "latest"]).default("disconnect"),
  write_delay: duration("0", "10s").prefault("0"),
  topics: z.array(topicRule).default([]),
});

export const schema = z
  .strictObject({
    http: address.prefault("127.0.0.1:8080"),
    grpc: address.prefault("127.0.0.1:6001"),
    insecure: z.boolean().default(false),
    origins: z.array(originPattern).default(LOOPBACK_ORIGINS),
    page: z.enum(["auto", "on", "off"]).default("auto"),
    brokers: z
      .record(brokerName, broker)
      .refine((brokers) => Object.keys(brokers).length > 0, "expected at least one broker")
      .prefault({ memory: { driver: "memory" } }),
    vhosts: z.strictObject({ [DEFAULT_VHOST]: vhost.prefault({}) }).prefault({}),
    limits: z
      .strictObject({
        connections: count(1, 10_000_000).default(50_000),
        topics_per_connection: count(1, 1_000_000).default(1_000),
        topics_per_message: count(1, 1_000_000).default(1_000),
        frame: bytes("1KiB", "64MiB").prefault("1MiB"),
        payload: bytes("1B", "64MiB").prefault("1MiB"),
        request: bytes("1KiB", "256MiB").prefault("4MiB"),
        expanded_request: bytes("1KiB", "4GiB").prefault("64MiB"),
        outbox: bytes("4KiB", "1GiB").prefault("1MiB"),
        malformed_frames: count(1, 1_000_000).default(10),
      })
      .refine(({ payload, request }) => payload <= request, { message: "payload: expected no more than request" })
      .refine(({ expanded_request, payload }) => payload < expanded_request, {
        message: "payload: expected less than expanded_request",
      })
      .prefault({}),
    ping: z
      .strictObject({
        interval: duration("50ms", "1h").prefault("25s"),
        timeout: duration("20ms", "10m").prefault("8s"),
      })
      .refine(({ interval, timeout }) => timeout < interval, { message: "timeout: expected less than interval" })
      .prefault({}),
    compression: z.boolean().default(false),
    interest_linger: duration("0", "1h").prefault("2s"),
    stop_timeout: duration("0", "10m").prefault("10s"),
    log: z
      .strictObject({
        level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
        format: z.enum(["auto", "pretty", "json"]).default("auto"),
      })
      .prefault({}),
  })
  .superRefine(({ brokers, vhosts }, context) => {
    for (const [path, { brokers: named }] of Object.entries(vhosts)) {
      for (const [position, name] of (named ?? []).entries()) {
        if (Object.hasOwn(brokers, name)) continue;
        const message = `no broker named ${JSON.stringify(name)}; known: ${Object.keys(brokers).join(", ")}`;
        context.addIssue({ code: "custom", path: ["vhosts", path, "brokers", position], message });
      }
    }
  });

/** The configuration as a file holds it: every key may be left out. */
export type ConfigInput = z.input<typeof schema>;

/** The same, complete, in milliseconds and bytes. */
export type Config = z.output<typeof schema>;

export type BrokerConfig = Config["brokers"][string];
