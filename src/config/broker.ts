import { atMostOne, secret, z } from "./schema-builder.js";
import { bytes, duration } from "./units.js";

/** Schema of the brokers' settings. */

const natsServer = z
  .string()
  .refine(
    (url) => /^(?:nats|tls):\/\/[^\s/]+$/.test(url) && URL.canParse(url),
    "expected nats://HOST:PORT or tls://HOST:PORT",
  );

const memoryBroker = z.strictObject({ driver: z.literal("memory") });

const onePassword = atMostOne("password", "password_file");
const oneLogin = atMostOne("user", "token", "token_file", "nkey_file", "creds_file");

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
    user: z.string().optional().describe("User name. Excludes tokens, `nkey_file` and `creds_file`."),
    password: secret(z.string().optional().describe("Password of `user`.")),
    password_file: z.string().optional().describe("File with that password. Excludes `password`."),
    token: secret(z.string().optional().describe("Authentication token.")),
    token_file: z.string().optional().describe("File with that token. Excludes `token`."),
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
  .refine(onePassword.check, { message: onePassword.message })
  .refine(({ password, password_file, user }) => (user === undefined) === ((password ?? password_file) === undefined), {
    message: "user and password must be set together",
  })
  .refine(oneLogin.check, { message: oneLogin.message });

/** Schema of a broker. */
export const broker = z.discriminatedUnion("driver", [memoryBroker, natsBroker]);
