import { ACTIONS, BACKEND_ACTIONS } from "../access/decide/actions.js";
import { HOOK_EVENTS, HOOK_FORWARDS } from "../access/hooks/hook-caller.js";
import { normalizeSubject } from "../access/keys/subject-dn.js";
import { weightProblem } from "../access/patterns/match-steps.js";
import { patternProblem, patternWeight } from "../access/patterns/pattern.js";
import { KEY_NAME } from "../util/names.js";
import { collectSchemas, type DialectSettings } from "./dialect-settings.js";
import { checkHistory, historyClasses } from "./history.js";
import { atMostOne, count, secret, z } from "./schema-builder.js";
import { bytes, duration } from "./units.js";

/** Schema of a vhost's settings, for the configuration file and the control service. */

export const brokerName = z.string().regex(/^[\w-]{1,64}$/, "expected a name of letters, digits, _ and -");

/** A pattern and its path in the checked value. */
type PatternAt = readonly [text: string, path: readonly (string | number)[]];

/** Checks patterns and their total weight. Stops when the weight exceeds the limit, because compiling takes time. */
function checkPatterns(patterns: readonly PatternAt[], context: z.RefinementCtx): void {
  let weight = 0;
  for (const [text, path] of patterns) {
    const problem = patternProblem(text);
    if (problem !== undefined) context.addIssue({ code: "custom", path: [...path], message: problem });
    else weight += patternWeight([text]);
    const tooMuch = weightProblem(weight);
    if (tooMuch === undefined) continue;
    context.addIssue({ code: "custom", message: tooMuch });
    return;
  }
}

const patterns = z.array(z.string()).superRefine((texts, context) => {
  checkPatterns(
    texts.map((text, position) => [text, [position]]),
    context,
  );
});

const permissions = z
  .strictObject(
    Object.fromEntries(ACTIONS.map((action) => [action, z.array(z.string()).optional()])) as Record<
      (typeof ACTIONS)[number],
      z.ZodOptional<z.ZodArray<z.ZodString>>
    >,
  )
  .superRefine((grants, context) => {
    const all = ACTIONS.flatMap((action) =>
      (grants[action] ?? []).map((text, position): PatternAt => [text, [action, position]]),
    );
    checkPatterns(all, context);
  });

const access = z.enum(["open", "private"]);
const slowConsumer = z.enum(["disconnect", "drop_oldest", "latest"]);

const topicRule = z.strictObject({
  match: z.string().describe("Pattern of topic names. The first rule that matches a topic applies."),
  access: access.optional().describe("`open`: every client may join. `private`: joining needs a permission."),
  client_publish: z.boolean().optional().describe("Let clients that may join publish too."),
  presence: z.boolean().optional().describe("Track who is in the topic."),
  max_sessions: count(1, 10_000_000).optional().describe("Maximum number of sessions of one node in the topic."),
  slow_consumer: slowConsumer.optional().describe("Policy for a client that reads too slowly."),
  write_delay: duration("0", "10s").optional().describe("How long messages may wait in order to be written together."),
  history: z.string().optional().describe("Class of the history, a key of `history`. `off`: messages are not stored."),
});

const topicRules = z.array(topicRule).superRefine((rules, context) => {
  checkPatterns(
    rules.map(({ match }, position) => [match, [position, "match"]]),
    context,
  );
});

function hasNoUser(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url === undefined || (url.username === "" && url.password === "");
}

const KEY_SOURCES = ["secret", "secret_file", "public_key", "public_key_file", "jwks_url"] as const;
const oneKeySource = atMostOne(...KEY_SOURCES);

/** Bit mask as a decimal number. */
const permissionBits = z.string().regex(/^[1-9]\d{0,99}$/, "expected bits as a decimal number, such as 8");

const jwt = z
  .strictObject({
    algorithms: z.array(z.string()).min(1).optional().describe("Accepted algorithms. Default: those that fit the key."),
    secret: secret(z.string().min(1).optional().describe("HMAC secret. Set exactly one of the five key settings.")),
    secret_file: z.string().optional().describe("File with the HMAC secret."),
    public_key: z.string().optional().describe("Public key, PEM."),
    public_key_file: z.string().optional().describe("File with the public key, PEM."),
    jwks_url: z
      .url()
      .refine(hasNoUser, "expected no user or password: keys are public")
      .optional()
      .describe("URL of the issuer's JSON Web Key Set."),
    issuer: z
      .union([z.string(), z.array(z.string()).min(1)])
      .optional()
      .describe("Required `iss`."),
    audience: z
      .union([z.string(), z.array(z.string()).min(1)])
      .optional()
      .describe("Required `aud`."),
    leeway: duration("0", "10m").prefault("30s").describe("Tolerance for `exp`, `nbf` and `iat`."),
    claims: z
      .strictObject({
        user: z.string().min(1).default("sub").describe("Claim with the user id."),
        permissions: z.string().min(1).default("permissions").describe("Claim with the permissions."),
        info: z.string().min(1).default("info").describe("Claim with public information about the user."),
        issued_at: z
          .string()
          .min(1)
          .optional()
          .describe(
            "Claim with the time of issue, in seconds or ISO 8601, for tokens with a duration. Goes with `expires_in`.",
          ),
        expires_in: z
          .string()
          .min(1)
          .optional()
          .describe("Claim with the duration in seconds. The earlier of this end and `exp` counts."),
      })
      .refine(({ expires_in, issued_at }) => (expires_in === undefined) === (issued_at === undefined), {
        message: "issued_at and expires_in must be set together",
      })
      .prefault({}),
    require_exp: z.boolean().default(true).describe("Refuse tokens without `exp`."),
    integer_user: z.boolean().default(false).describe("Accept an integer as the user; its digits are the user id."),
    permission_bits: z
      .record(permissionBits, permissions)
      .optional()
      .describe("Permissions by bit, for tokens whose permissions are an integer."),
  })
  .refine(oneKeySource.check, { message: oneKeySource.message })
  .refine((settings) => KEY_SOURCES.some((key) => settings[key] !== undefined), {
    message: `expected one of ${KEY_SOURCES.join(", ")}`,
  });

const oneTokenSecret = atMostOne("secret", "secret_file");

const tokens = z
  .strictObject({
    secret: secret(
      z
        .string()
        .min(64, "expected at least 64 characters: HS512 needs 64 bytes")
        .optional()
        .describe("Secret of the tokens that Carillon issues. Default: generated once and kept in the store."),
    ),
    secret_file: z.string().optional().describe("File with that secret. Excludes `secret`."),
  })
  .refine(oneTokenSecret.check, { message: oneTokenSecret.message });

const credentials = z.strictObject({
  header: z.boolean().default(true).describe("Accept a token in the `Authorization` header."),
  protocol: z.boolean().default(true).describe("Accept a token in `Sec-WebSocket-Protocol`."),
  cookie: z
    .string()
    .regex(/^[\w!#$%&'*+.^`|~-]*$/, "expected a cookie name")
    .default("")
    .describe("Name of a cookie that holds a token. Empty: none."),
  query: z.boolean().default(false).describe("Accept a token in the query parameter `token`. Proxies log it."),
});

const actions = z
  .array(z.enum(["*", ...BACKEND_ACTIONS]))
  .min(1)
  .describe("What the backend may do.");

const scope = patterns
  .optional()
  .describe("Patterns of the topics, and of the events for `call` and `work`, that it may use. Default: all.");

const keyName = z.string().regex(KEY_NAME, "expected a name of letters, digits, _, . and -");

const key = z.strictObject({
  name: keyName.describe("Name in logs and lists, unique in the vhost."),
  hash: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, "expected sha256: and 64 hexadecimal digits, as `carillon key create` prints it")
    .describe("Hash of the key, as `carillon key create` prints it."),
  actions,
  topics: scope,
});

/** Names must be unique, because logs and lists identify keys by name. */
const keys = z.array(key).superRefine((entries, context) => {
  for (const [position, { name }] of entries.entries()) {
    if (entries.findIndex((entry) => entry.name === name) === position) continue;
    const message = `another key of this vhost is named ${JSON.stringify(name)}`;
    context.addIssue({ code: "custom", path: [position, "name"], message });
  }
});

const subjectText = z.string().superRefine((text, context) => {
  try {
    normalizeSubject(text);
  } catch {
    context.addIssue({ code: "custom", message: "expected a subject such as CN=billing,O=Example" });
  }
});

const certificate = z.strictObject({
  subject: subjectText.describe("Subject of a client certificate, such as `CN=shop,O=Example`."),
  name: keyName.optional().describe("Name in logs. Default: the subject."),
  actions,
  topics: scope,
});

const oneHookKey = atMostOne("key", "key_file");

const hooks = z
  .strictObject({
    // Errors that contain the backend's URL are logged, so the URL must not contain a secret.
    url: z
      .string()
      .refine((url) => /^(?:grpcs?|https?):\/\/[^\s@?#]+$/.test(url) && URL.canParse(url), {
        message:
          "expected grpc://HOST:PORT, grpcs://HOST:PORT, http://… or https://…, without user, password (use key) or query",
      })
      .describe("Backend: `grpc://`, `grpcs://`, or `http://` and `https://` for Connect-JSON."),
    events: z.array(z.enum(HOOK_EVENTS)).min(1).default(["connect", "join"]).describe("Events that call the backend."),
    forward: z
      .array(z.enum(HOOK_FORWARDS))
      .default([])
      .describe(
        "Additional data for the backend. `query`: the query with its token. `authorization`: headers, cookies and subprotocols with their token. `join`: the upgrade request at each join.",
      ),
    timeout: duration("10ms", "8s").prefault("2s").describe("Time the backend has to answer."),
    on_failure: z.enum(["refuse", "allow"]).default("refuse").describe("Decision when the backend does not answer."),
    concurrency: count(1, 10_000).default(64).describe("Concurrent calls of the backend."),
    breaker: z
      .strictObject({
        failures: count(1, 1_000).default(5).describe("Consecutive failures that open the circuit breaker."),
        pause: duration("100ms", "10m").prefault("10s").describe("How long the breaker stays open."),
      })
      .prefault({}),
    key: secret(z.string().optional().describe("Key that is sent as `authorization: Bearer`.")),
    key_file: z.string().optional().describe("File with that key. Excludes `key`."),
  })
  .refine(oneHookKey.check, { message: oneHookKey.message });

const rate = count(1, 10_000_000).optional();

const limits = z.strictObject({
  connections: count(1, 10_000_000).optional().describe("Connections of the vhost on one node."),
  connections_per_user: count(1, 1_000_000).optional().describe("Connections of one user on one node."),
  connections_per_address: count(1, 1_000_000)
    .optional()
    .describe("Connections of one client address on one node. An IPv6 /64 counts as one address."),
  handshakes_per_second: rate.describe("New connections per second on one node."),
  handshakes_per_second_per_address: rate.describe("New connections per second of one client address on one node."),
  // The default allows a join of each of the default 1,000 topics in a second, and as many other commands.
  commands_per_second: count(1, 10_000_000)
    .or(z.literal("off"))
    .default(2_000)
    .describe(
      "Commands per second of one client, with a burst of as many. Further commands are refused. `off` removes the limit.",
    ),
  publish_bytes_per_second: bytes("1B", "10GiB")
    .optional()
    .describe("Bytes that one client may publish per second. Each topic of a message counts."),
  answer_bytes_per_second: z
    .literal("off")
    .or(bytes("64KiB", "10GiB"))
    .prefault("4MiB")
    .describe(
      "Bytes of answers to one client per second. Beyond it, the client is not read until its rate is below the limit again. `off` removes the limit.",
    ),
  topics_per_connection: count(1, 1_000_000).optional().describe("Topics of one connection."),
  history: bytes("64KiB", "16384GiB").optional().describe("Sum of `bytes` of all history classes."),
});

/** Creates the schema of a vhost's settings. The dialects' settings come last. */
export function createVhostSchema(dialects: readonly DialectSettings[]) {
  return z
    .strictObject({
      brokers: z
        .array(brokerName)
        .min(1)
        .optional()
        .describe("Brokers that clients may name; the first is the default. Default: all brokers."),
      access: access.default("open").describe("`open`: every client may join. `private`: joining needs a permission."),
      client_publish: z
        .boolean()
        .default(false)
        .describe("Let clients that may join publish too. Otherwise publishing needs a permission."),
      presence: z.boolean().default(false).describe("Track who is in a topic."),
      opened_only: z.boolean().default(false).describe("Allow only channels that were opened at run time."),
      slow_consumer: slowConsumer
        .default("disconnect")
        .describe(
          "Policy for a client that reads too slowly: close its connection, drop the oldest messages, or keep only the latest of each topic.",
        ),
      write_delay: duration("0", "10s")
        .prefault("0")
        .describe("How long messages may wait in order to be written together."),
      default_history: z
        .string()
        .optional()
        .describe("History class of all topics. Default: only topics whose rule names a class have a history."),
      topics: topicRules.default([]).describe("The settings above for some topics only."),
      history: historyClasses
        .default({})
        .describe("History classes by name: how many messages of each topic are stored, and for how long."),
      anonymous: z
        .strictObject({
          connect: z.boolean().default(true).describe("Let clients without a token connect."),
          permissions: permissions.prefault({}).describe("Permissions of every client, with a token or without."),
        })
        .prefault({}),
      jwt: jwt.optional().describe("Tokens of your own issuer."),
      tokens: tokens.prefault({}),
      credentials: credentials.prefault({}),
      keys: keys.default([]).describe("Keys of backends."),
      certificates: z
        .array(certificate)
        .default([])
        .describe("Client certificates of backends. Requires `client_certificates`."),
      hooks: hooks.optional().describe("Backend that decides about clients (`carillon.v1.HookService`)."),
      limits: limits.prefault({}),
      ...collectSchemas(dialects, "vhost"),
    })
    .superRefine(checkHistory);
}

/** Settings with defaults, in milliseconds and bytes. `readSettings` returns those of a dialect. */
export type VhostSettings = z.output<ReturnType<typeof createVhostSchema>>;
