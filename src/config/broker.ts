import { z } from "./schema-builder.js";
import { bytes, duration } from "./units.js";

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
    servers: z
      .array(natsServer)
      .min(1)
      .describe(
        "Servers of the NATS cluster: `nats://HOST:PORT` or `tls://HOST:PORT`, with `USER:PASSWORD@` or `TOKEN@` before the host if needed. With `tls://` no server is contacted in the clear.",
      ),
    prefix: z
      .string()
      .regex(/^[\w-]+(?:\.[\w-]+)*$/, "expected subject tokens of letters, digits, _ and -, such as carillon")
      .default("carillon")
      .describe("First tokens of every subject: `<prefix>.<vhost>.<topic>`."),
    client_name: z.string().default("carillon").describe("Name of the connection in NATS monitoring."),
    user: z.string().optional().describe("User name. Excludes `token`, `nkey_file` and `creds_file`."),
    password: z.string().optional().describe("Password of `user`."),
    token: z.string().optional().describe("Authentication token."),
    nkey_file: z.string().optional().describe("File with an NKey seed."),
    creds_file: z.string().optional().describe("File with NATS credentials."),
    tls: z
      .strictObject({
        ca_file: z.string().optional().describe("PEM file with the certificate authorities to trust."),
        cert_file: z.string().optional().describe("PEM file with the client certificate."),
        key_file: z.string().optional().describe("PEM file with the private key of the client certificate."),
      })
      .optional(),
    pending: bytes("64KiB", "4GiB")
      .prefault("64MiB")
      .describe("Bytes sent to NATS and not confirmed yet. Publishes beyond it are refused."),
    confirm_timeout: duration("100ms", "1m")
      .prefault("5s")
      .describe("A publish or join fails when NATS has not confirmed it after this time."),
  })
  .refine(({ password, user }) => (user === undefined) === (password === undefined), {
    message: "user and password require each other",
  })
  .refine(
    ({ creds_file, nkey_file, token, user }) =>
      [user, token, nkey_file, creds_file].filter((way) => way !== undefined).length <= 1,
    { message: "at most one of user, token, nkey_file and creds_file is allowed" },
  );

/** Settings of one broker. */
export const broker = z.discriminatedUnion("driver", [memoryBroker, natsBroker]);
