import { z } from "zod";
import { ACTIONS, BACKEND_ACTIONS } from "../access/actions.js";
import { HOOK_EVENTS, HOOK_FORWARDS } from "../access/hooks-caller.js";
import { weightFault } from "../access/match-steps.js";
import { patternFault, weightOf } from "../access/pattern.js";
import { normalSubject } from "../access/subject.js";
import { KEY_NAME, VHOST_PATH } from "../util/names.js";
import { vhostDialects } from "./dialects.js";
import { count } from "./numbers.js";
import { bytes, duration } from "./units.js";

/** The settings of a vhost: in the configuration file, and at run time by the control service. */

export const vhostPath = z.string().max(255).regex(VHOST_PATH, "expected / or a path such as /shop or /shop/eu");

export const brokerName = z.string().regex(/^[\w-]{1,64}$/, "expected a name of letters, digits, _ and -");

/** A pattern, and where it stands in what is checked. */
type PatternAt = readonly [text: string, path: readonly (string | number)[]];

/** Patterns that one name may be held against one after the other. Nothing more is compiled when it would be too much. */
function checkPatterns(patterns: readonly PatternAt[], context: z.RefinementCtx): void {
  let weight = 0;
  for (const [text, path] of patterns) {
    const fault = patternFault(text);
    if (fault !== undefined) context.addIssue({ code: "custom", path: [...path], message: fault });
    else weight += weightOf([text]);
    const tooMuch = weightFault(weight);
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
  match: z.string(),
  access: access.optional(),
  client_publish: z.boolean().optional(),
  presence: z.boolean().optional(),
  max_sessions: count(1, 10_000_000).optional(),
  slow_consumer: slowConsumer.optional(),
  write_delay: duration("0", "10s").optional(),
});

const topicRules = z.array(topicRule).superRefine((rules, context) => {
  checkPatterns(
    rules.map(({ match }, position) => [match, [position, "match"]]),
    context,
  );
});

/** One of several ways to give the same thing. */
function atMostOne(...keys: readonly string[]) {
  return {
    check: (value: object) => keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined).length <= 1,
    message: `only one of ${keys.join(", ")}`,
  };
}

function hasNoUser(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url === undefined || (url.username === "" && url.password === "");
}

const KEY_SOURCES = ["secret", "secret_file", "public_key", "public_key_file", "jwks_url"] as const;
const oneKeySource = atMostOne(...KEY_SOURCES);

/** Bits that are set in an integer, as a decimal number. */
const permissionBits = z.string().regex(/^[1-9]\d{0,99}$/, "expected bits as a decimal number, such as 8");

const jwt = z
  .strictObject({
    algorithms: z.array(z.string()).min(1).optional(),
    secret: z.string().min(1).optional(),
    secret_file: z.string().optional(),
    public_key: z.string().optional(),
    public_key_file: z.string().optional(),
    jwks_url: z.url().refine(hasNoUser, "expected no user or password: keys are public").optional(),
    issuer: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
    audience: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
    leeway: duration("0", "10m").prefault("30s"),
    claims: z
      .strictObject({
        user: z.string().min(1).default("sub"),
        permissions: z.string().min(1).default("permissions"),
        info: z.string().min(1).default("info"),
        issued_at: z.string().min(1).optional(),
        expires_in: z.string().min(1).optional(),
      })
      .refine(({ expires_in, issued_at }) => (expires_in === undefined) === (issued_at === undefined), {
        message: "issued_at and expires_in are given together",
      })
      .prefault({}),
    require_exp: z.boolean().default(true),
    integer_user: z.boolean().default(false),
    permission_bits: z.record(permissionBits, permissions).optional(),
  })
  .refine(oneKeySource.check, { message: oneKeySource.message })
  .refine((settings) => KEY_SOURCES.some((key) => settings[key] !== undefined), {
    message: `one of ${KEY_SOURCES.join(", ")} is needed`,
  });

const oneTokenSecret = atMostOne("secret", "secret_file");

const tokens = z
  .strictObject({
    secret: z.string().min(64, "expected at least 64 characters: HS512 needs 64 bytes").optional(),
    secret_file: z.string().optional(),
  })
  .refine(oneTokenSecret.check, { message: oneTokenSecret.message });

const credentials = z.strictObject({
  header: z.boolean().default(true),
  protocol: z.boolean().default(true),
  cookie: z
    .string()
    .regex(/^[\w!#$%&'*+.^`|~-]*$/, "expected a cookie's name")
    .default(""),
  query: z.boolean().default(false),
});

const actions = z.array(z.enum(["*", ...BACKEND_ACTIONS])).min(1);

const keyName = z.string().regex(KEY_NAME, "expected a name of letters, digits, _, . and -");

const key = z.strictObject({
  name: keyName,
  hash: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, "expected sha256: and 64 hexadecimal digits, as `carillon key create` prints it"),
  actions,
  topics: patterns.optional(),
});

/** Names are what tells keys apart, in logs and where they are listed. */
const keys = z.array(key).superRefine((entries, context) => {
  for (const [position, { name }] of entries.entries()) {
    if (entries.findIndex((entry) => entry.name === name) === position) continue;
    const message = `another key of this vhost is named ${JSON.stringify(name)}`;
    context.addIssue({ code: "custom", path: [position, "name"], message });
  }
});

const subjectText = z.string().superRefine((text, context) => {
  try {
    normalSubject(text);
  } catch {
    context.addIssue({ code: "custom", message: "expected a subject such as CN=billing,O=Example" });
  }
});

const certificate = z.strictObject({
  subject: subjectText,
  name: keyName.optional(),
  actions,
  topics: patterns.optional(),
});

const hooks = z.strictObject({
  // What is wrong with a backend's address is logged: no secret may be in it.
  url: z.string().refine((url) => /^(?:grpcs?|https?):\/\/[^\s@?#]+$/.test(url) && URL.canParse(url), {
    message:
      "expected grpc://HOST:PORT, grpcs://HOST:PORT, http://… or https://…, without user, password (use key) or query",
  }),
  events: z.array(z.enum(HOOK_EVENTS)).min(1).default(["connect", "join"]),
  forward: z.array(z.enum(HOOK_FORWARDS)).default([]),
  timeout: duration("10ms", "8s").prefault("2s"),
  on_failure: z.enum(["refuse", "allow"]).default("refuse"),
  concurrency: count(1, 10_000).default(64),
  breaker: z
    .strictObject({
      failures: count(1, 1_000).default(5),
      pause: duration("100ms", "10m").prefault("10s"),
    })
    .prefault({}),
  key: z.string().optional(),
});

const rate = count(1, 10_000_000).optional();

const limits = z.strictObject({
  connections: count(1, 10_000_000).optional(),
  connections_per_user: count(1, 1_000_000).optional(),
  connections_per_address: count(1, 1_000_000).optional(),
  handshakes_per_second: rate,
  handshakes_per_second_per_address: rate,
  // As many as a client may have topics, one command for each, and as many again.
  commands_per_second: count(1, 10_000_000).or(z.literal("off")).default(2_000),
  publish_bytes_per_second: bytes("1B", "10GiB").optional(),
  answer_bytes_per_second: z.literal("off").or(bytes("64KiB", "10GiB")).prefault("4MiB"),
  topics_per_connection: count(1, 1_000_000).optional(),
});

export const vhost = z.strictObject({
  brokers: z.array(brokerName).min(1).optional(),
  access: access.default("open"),
  client_publish: z.boolean().default(false),
  presence: z.boolean().default(false),
  opened_only: z.boolean().default(false),
  slow_consumer: slowConsumer.default("disconnect"),
  write_delay: duration("0", "10s").prefault("0"),
  topics: topicRules.default([]),
  anonymous: z
    .strictObject({
      connect: z.boolean().default(true),
      permissions: permissions.prefault({}),
    })
    .prefault({}),
  jwt: jwt.optional(),
  tokens: tokens.prefault({}),
  credentials: credentials.prefault({}),
  keys: keys.default([]),
  certificates: z.array(certificate).default([]),
  hooks: hooks.optional(),
  limits: limits.prefault({}),
  ...vhostDialects,
});

/** Complete, in milliseconds and bytes. */
export type VhostSettings = z.output<typeof vhost>;
