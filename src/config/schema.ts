import { isPasswordHash } from "../access/keys/password-hash.js";
import { parseNetwork } from "../net/networks.js";
import { compileOriginPattern } from "../net/origin-pattern.js";
import { DEFAULT_VHOST } from "../util/names.js";
import { broker } from "./broker.js";
import { collectSchemas, type DialectSettings, readSettings } from "./dialect-settings.js";
import { limits } from "./limits.js";
import { findReferenceProblems } from "./references.js";
import { address, count, live, vhostPath, withShortForm, z } from "./schema-builder.js";
import { duration } from "./units.js";
import { brokerName, createVhostSchema } from "./vhost.js";

export type { VhostSettings } from "./vhost.js";

/**
 * Schema of the configuration file. Defaults are defined here only; `carillon config --print-defaults` shows them with
 * their meaning (defaults.ts).
 */

/** IP address, or network in CIDR form. */
const network = z
  .string()
  .refine((text) => parseNetwork(text) !== undefined, "expected an address or a network such as 10.0.0.0/8");

/** Origin: `*`, `null`, `file://`, an exact origin, or one with a single `*`. */
const originPattern = z.string().superRefine((text, context) => {
  const problem = ["*", "null"].includes(text.toLowerCase()) ? undefined : compileOriginPattern(text);
  if (typeof problem === "string") context.addIssue({ code: "custom", message: problem });
});

/** Servers of the gRPC port. */
const GRPC_SERVERS = ["grpc-js", "native"] as const;

const LOOPBACK_ORIGINS = ["http", "https"].flatMap((scheme) =>
  ["localhost", "127.0.0.1", "[::1]"].flatMap((host) => [`${scheme}://${host}`, `${scheme}://${host}:*`]),
);

/** Creates the schema of a node's whole configuration, including the dialects' settings. */
export function createSchema(dialects: readonly DialectSettings[]) {
  const vhost = createVhostSchema(dialects);
  const clientDialects = dialects.filter(({ serves }) => serves === "clients").map(({ name }) => name);
  return z
    .strictObject({
      http: address
        .prefault("127.0.0.1:8080")
        .describe(
          "Address of the HTTP port: WebSocket, Connect, gRPC-Web, health, metrics and the try-it page. Port 0 takes any free port.",
        ),
      grpc: withShortForm(
        "listen",
        z.strictObject({
          listen: address.prefault("127.0.0.1:6001").describe("Address of the gRPC port. Port 0 takes any free port."),
          server: z
            .enum(GRPC_SERVERS, { error: "expected grpc-js or native" })
            .default("grpc-js")
            .describe(
              "Server of the port: `grpc-js` or `native`, Carillon's own HTTP/2 server, which is new and takes less CPU time. Both serve the same calls.",
            ),
          max_connection_age: z
            .literal("off")
            .or(duration("1s", "480h"))
            .prefault("off")
            .describe(
              "Age at which a connection ends once its calls are answered, give or take a tenth, so that backends spread over the nodes again. Clients reconnect by themselves. `off`: never.",
            ),
        }),
      )
        .prefault({})
        .describe("The gRPC port. `grpc: HOST:PORT` is short for `grpc: { listen: HOST:PORT }`."),
      processes: z
        .literal("auto")
        .or(count(1, 1_024))
        .default(1)
        .describe(
          "Processes that serve the same ports, each of them a node. `auto`: one for each core. More than one need NATS brokers and `store.driver: nats`; `carillon serve --with-nats` provides both.",
        ),
      insecure: z.boolean().default(false).describe("Allow addresses other than loopback without requiring keys."),
      admin: z
        .strictObject({
          listen: address
            .optional()
            .describe(
              "Separate address for `/healthz`, `/readyz` and `/metrics`, which the HTTP port then no longer serves.",
            ),
          dashboard: z
            .enum(["auto", "on", "off"])
            .default("auto")
            .describe(
              "The dashboard at `/admin` of the HTTP port. `auto` serves it when `password_hash` is set, and without signing in while `http` is a loopback address and neither keys nor `trusted_proxies` exist. `on` also lets keys with the action `admin` sign in.",
            ),
          password_hash: z
            .string()
            .refine(isPasswordHash, "expected the output of carillon admin password")
            .optional()
            .describe(
              "Hash of the dashboard's password, from `carillon admin password`. It protects only the dashboard: other callers need keys.",
            ),
          actions: z
            .boolean()
            .default(false)
            .describe("Let the dashboard disconnect clients and publish messages. Otherwise it only reads."),
          session: duration("1m", "720h")
            .prefault("12h")
            .describe("Time after which users of the dashboard sign in again."),
        })
        .prefault({}),
      origins: live(
        z
          .array(originPattern)
          .default(LOOPBACK_ORIGINS)
          .describe(
            "Origins of pages that may connect: `*`, `null`, `file://`, an exact origin, or one with a single `*` in the host or as the port. The default is every loopback origin. Clients that are not browsers send no origin.",
          ),
      ),
      page: z
        .enum(["auto", "on", "off"])
        .default("auto")
        .describe(
          "The try-it page at `/`. `auto` serves it when `http` is a loopback address and no `trusted_proxies` are set.",
        ),
      brokers: z
        .record(brokerName, broker)
        .refine((brokers) => Object.keys(brokers).length > 0, "expected at least one broker")
        .prefault({ memory: { driver: "memory" } })
        .describe(
          "Brokers by name. A broker carries messages between nodes; the first one is the default of every vhost.",
        ),
      // The default vhost always exists.
      vhosts: live(
        z
          .record(vhostPath, vhost)
          .prefault({})
          .transform((vhosts) => ({ [DEFAULT_VHOST]: vhost.parse({}), ...vhosts }))
          .describe(
            "Vhosts by path. `/` always exists. More can be created at run time with `carillon.v1.ControlService`.",
          ),
      ),
      store: z
        .discriminatedUnion("driver", [
          z.strictObject({ driver: z.literal("memory") }),
          z.strictObject({
            driver: z.literal("file"),
            path: z.string().min(1).describe("Folder, which no other node may use."),
          }),
          z.strictObject({
            driver: z.literal("nats"),
            broker: brokerName
              .optional()
              .describe("NATS broker that holds the bucket. Default: the first NATS broker."),
            bucket: z
              .string()
              .regex(/^[\w-]{1,64}$/, "expected a name of letters, digits, _ and -")
              .default("carillon")
              .describe("Name of the JetStream bucket."),
            replicas: count(1, 5).default(1).describe("Number of servers of the NATS cluster that keep the bucket."),
          }),
        ])
        .prefault({ driver: "memory" })
        .describe("Where run-time state is kept: vhosts, channels, keys and used tokens."),
      cluster: z
        .strictObject({
          broker: brokerName
            .optional()
            .describe("NATS broker through which the nodes find each other. Default: the first NATS broker."),
        })
        .prefault({}),
      tls: z
        .strictObject({
          cert_file: z.string().min(1).describe("PEM file with the certificate chain. Read again when it changes."),
          key_file: z.string().min(1).describe("PEM file with the private key. Read again when it changes."),
          min_version: z
            .enum(["TLSv1.2", "TLSv1.3"])
            .default("TLSv1.2")
            .describe("Oldest TLS version that is accepted."),
        })
        .optional(),
      client_certificates: z
        .strictObject({
          ca_file: z
            .string()
            .min(1)
            .describe("PEM file with the authorities that issue certificates of backends, for the gRPC port."),
          required: z.boolean().default(false).describe("Refuse gRPC connections without a client certificate."),
        })
        .optional(),
      trusted_proxies: z
        .array(network)
        .default([])
        .describe(
          "Addresses or networks (CIDR) of proxies that report the client's address, in `X-Forwarded-For` or by the PROXY protocol.",
        ),
      proxy_protocol: z
        .boolean()
        .default(false)
        .describe("Require the PROXY protocol, version 2, from trusted proxies on every port."),
      limits: live(limits),
      ping: z
        .strictObject({
          interval: duration("50ms", "1h").prefault("25s").describe("Time between WebSocket pings."),
          timeout: duration("20ms", "10m").prefault("8s").describe("Time a client has to answer a ping."),
        })
        .refine(({ interval, timeout }) => timeout < interval, { message: "timeout: expected less than interval" })
        .prefault({}),
      timeouts: z
        .strictObject({
          keep_alive: duration("1s", "1h")
            .prefault("75s")
            .describe("Idle time of an HTTP connection between two requests. Set it longer than your load balancer's."),
          request: duration("1s", "1h")
            .prefault("2m")
            .describe(
              "Time in which a request or a WebSocket message must arrive completely. The head of a request must arrive within a minute.",
            ),
          answer: duration("1s", "1h")
            .prefault("1m")
            .describe("A client that reads nothing of its answer for this time is disconnected."),
        })
        .prefault({}),
      compression: z.boolean().default(false).describe("Offer permessage-deflate to clients."),
      direct_writes: z
        .boolean()
        .default(true)
        .describe(
          "Write WebSocket frames to TCP connections by a system call of their own, without Node's streams: 10 % less CPU time. Only on Linux and macOS, and never with TLS.",
        ),
      interest_linger: live(
        duration("0", "1h")
          .prefault("2s")
          .describe("How long a topic stays subscribed after its last session has left."),
      ),
      stop_timeout: live(
        duration("0", "10m").prefault("10s").describe("Time that a graceful stop may take after the drain."),
      ),
      drain: live(
        z
          .strictObject({
            delay: duration("0", "10m")
              .prefault("0")
              .describe(
                "Time between a signal to stop, which ends the readiness, and the first refused client. Set it longer than your load balancer's interval of health checks.",
              ),
            rate: count(1, 100_000).default(1_000).describe("Connections that a stopping node closes per second."),
            timeout: duration("0", "1h")
              .prefault("5s")
              .describe("Time in which connections are closed at `rate`. All others are closed at its end."),
            spread: duration("1s", "10m")
              .prefault("10s")
              .describe(
                "Latest time at which closed and refused clients are advised to come back. The earliest is 1 s.",
              ),
          })
          .prefault({}),
      ),
      admission: live(
        z
          .strictObject({
            rate: count(1, 1_000_000)
              .or(z.literal("off"))
              .default("off")
              .describe(
                "Clients per second that may connect to the node, with a burst of as many. Others are refused with 503 and `Retry-After`. `off` removes the limit.",
              ),
          })
          .prefault({}),
      ),
      max_connection_age: live(
        z
          .literal("off")
          .or(duration("1s", "720h"))
          .prefault("off")
          .describe(
            "Age at which a client is closed, give or take a tenth, and advised to come back at once, so that clients spread over the nodes again. `off`: never. A changed age applies to clients that connect later.",
          ),
      ),
      dialects: z
        .array(z.enum(clientDialects))
        .min(1)
        .default(clientDialects)
        .describe("Client protocols that the node serves."),
      ...collectSchemas(dialects, "node"),
      log: z
        .strictObject({
          level: live(
            z
              .enum(["debug", "info", "warn", "error", "silent"])
              .default("info")
              .describe("Least severe level that is logged."),
          ),
          format: z
            .enum(["auto", "pretty", "json"])
            .default("auto")
            .describe("`auto` is pretty on a terminal and JSON elsewhere."),
        })
        .prefault({}),
    })
    .superRefine((config, context) => {
      for (const { message, path } of findReferenceProblems(config)) {
        context.addIssue({ code: "custom", path: [...path], message });
      }
      for (const dialect of dialects) {
        for (const { message, path } of dialect.problems?.(readSettings(config, dialect.name), config) ?? []) {
          context.addIssue({ code: "custom", path: [dialect.name, ...path], message });
        }
      }
    });
}

/** Configuration as in a file, without the dialects' settings. Every key is optional. */
export type NodeInput = z.input<ReturnType<typeof createSchema>>;

/** Configuration with defaults, in milliseconds and bytes. */
export type Config = z.output<ReturnType<typeof createSchema>>;

export type BrokerConfig = Config["brokers"][string];
