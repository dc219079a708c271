import { SECRET } from "../../src/config/schema-builder.js";
import { listAlternatives, type SchemaNode } from "../../src/config/schema-node.js";
import { type ConfigInput, configReader, loadConfig } from "../../src/server/config.js";
import { temporaryFile } from "../support/temporary-files.js";

/** Loads a configuration whose vhosts can be looked up by any path. */
function load(environment: NodeJS.ProcessEnv, yaml = "") {
  const { brokers, vhosts } = loadConfig({ file: temporaryFile("carillon.yaml", yaml), environment });
  return { brokers, vhosts: vhosts as Readonly<Record<string, unknown>> };
}

test("reads settings of the default vhost, of others and of brokers from the environment", () => {
  const config = load(
    {
      CARILLON_VHOSTS_TOKENS_SECRET_FILE: "/run/secrets/tokens",
      CARILLON_VHOSTS_ACCESS: "private",
      CARILLON_VHOSTS_SHOP_EU_HOOKS_KEY_FILE: "/run/secrets/hooks",
      CARILLON_VHOSTS_SHOP_EU_ANONYMOUS_PERMISSIONS_JOIN: "news, prices.*",
      CARILLON_BROKERS_MY_NATS_PASSWORD_FILE: "/run/secrets/nats",
    },
    "brokers: { my-nats: { driver: nats, servers: [nats://h:1], user: u } }\nvhosts: { /shop/eu: { hooks: { url: http://h } } }\n",
  );
  expect(config.vhosts["/"]).toMatchObject({ access: "private", tokens: { secret_file: "/run/secrets/tokens" } });
  expect(config.vhosts["/shop/eu"]).toMatchObject({
    hooks: { key_file: "/run/secrets/hooks" },
    anonymous: { permissions: { join: ["news", "prices.*"] } },
  });
  expect(config.brokers["my-nats"]).toMatchObject({ user: "u", password_file: "/run/secrets/nats" });
});

test("applies variables of a broker to the one that CARILLON_BROKER names", () => {
  const environment = {
    CARILLON_BROKER: "nats://h:1",
    CARILLON_BROKERS_NATS_USER: "u",
    CARILLON_BROKERS_NATS_PASSWORD: "p",
  };
  expect(load(environment).brokers["nats"]).toMatchObject({ servers: ["nats://h:1"], user: "u", password: "p" });
});

test("keeps a secret of digits as it is", () => {
  const digits = "1234567890".repeat(7);
  const { vhosts } = load({
    CARILLON_VHOSTS_TOKENS_SECRET: digits,
    CARILLON_VHOSTS_WEBROCKET_ACCESS_TOKEN: digits.slice(0, 40),
  });
  expect(vhosts["/"]).toMatchObject({ tokens: { secret: digits }, webrocket: { access_token: digits.slice(0, 40) } });
});

test("refuses variables of unknown vhosts, and ambiguous ones, and names the problems", () => {
  expect(() => load({ CARILLON_VHOSTS_SHOP_TOKENS_SECRET_FILE: "f" })).toThrow(/unknown variable/);
  const yaml = "vhosts: { /a-b: {}, /a_b: {} }";
  expect(() => load({ CARILLON_VHOSTS_A_B_ACCESS: "private" }, yaml)).toThrow(
    "CARILLON_VHOSTS_A_B_ACCESS: ambiguous, it means vhosts./a-b.access or vhosts./a_b.access; use the file",
  );
});

test.each<[string, ConfigInput]>([
  [
    "password",
    { brokers: { a: { driver: "nats", servers: ["nats://h:1"], user: "u", password: "p", password_file: "f" } } },
  ],
  ["token", { brokers: { a: { driver: "nats", servers: ["nats://h:1"], token: "t", token_file: "f" } } }],
  ["key", { vhosts: { "/": { hooks: { url: "http://h", key: "k", key_file: "f" } } } }],
])("refuses a secret that is also in a file: %s", (_key, flags) => {
  expect(() => loadConfig({ flags })).toThrow(/at most one of/);
});

test("every secret can be in a file", () => {
  const secrets = [...findSecrets(configReader.tree.root, [])];
  expect(secrets.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["brokers..password", "brokers..token", "vhosts..jwt.secret", "vhosts..hooks.key"]),
  );
  expect(secrets.filter(({ hasFile }) => !hasFile)).toEqual([]);
});

function* findSecrets(
  node: SchemaNode,
  path: readonly string[],
): Generator<{ readonly path: string; readonly hasFile: boolean }> {
  for (const { additionalProperties, items, properties = {} } of listAlternatives(node)) {
    for (const [key, child] of Object.entries(properties)) {
      if (child[SECRET] === true) yield { path: [...path, key].join("."), hasFile: `${key}_file` in properties };
      yield* findSecrets(child, [...path, key]);
    }
    for (const entry of [items, additionalProperties]) {
      if (typeof entry === "object") yield* findSecrets(entry, [...path, ""]);
    }
  }
}
