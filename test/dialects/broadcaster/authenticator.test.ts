import fc from "fast-check";
import { BroadcasterAuthenticator } from "../../../src/dialects/broadcaster/authenticator.js";
import { clockAt, NOW, pair, pem, raw, SECOND, SECRET, signed } from "../../access/jwts.js";

const GOOD = {
  sub: "eve",
  aud: "broadcaster",
  iat: SECOND,
  exp: SECOND + 60,
  authorizedChannels: ["news", "chat:1"],
  scope: ["subscribe", "publish"],
};

const authenticator = new BroadcasterAuthenticator(SECRET, clockAt());

/** Authenticates with a token of valid claims, overridden by the given ones; undefined removes a claim. */
async function outcome(claims: object, alg = "HS256", by = authenticator): Promise<unknown> {
  return told(by.authenticate(await signed(SECRET, alg, { ...GOOD, ...claims })));
}

function told(result: ReturnType<BroadcasterAuthenticator["authenticate"]>): Promise<unknown> {
  return result.then(
    ({ principal }) => principal,
    ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
  );
}

test("B17: grants a token's channels within its scope until it expires", async () => {
  const principal = await outcome({});
  expect(principal).toMatchObject({ user: "eve", expires: NOW + 60_000 + 30_000 });
  expect(principal).toMatchObject({ terms: { ignoresOpenRules: true, mayJoin: true, mayPublishToJoined: false } });
  expect(JSON.parse(JSON.stringify(principal))).toMatchObject({
    permissions: { join: ["news", "chat:1"], publish: ["news", "chat:1"] },
  });
});

test.each([
  [["subscribe"], { join: GOOD.authorizedChannels }],
  [["publish"], { publish: GOOD.authorizedChannels }],
  [["admin", "Subscribe"], {}],
  [[], {}],
  [undefined, {}],
])("B17: scope %j", async (scope, permissions) => {
  const principal = (await outcome({ scope })) as { permissions: { grants: object } };
  expect(principal.permissions.grants).toEqual(permissions);
});

test.each([
  ["of another audience", { aud: "native" }, /wrong audience/],
  ["without an audience", { aud: undefined }, /aud/],
  ["without exp", { exp: undefined }, /missing claim exp/],
  ["expired", { exp: SECOND - 30 }, /expired/],
  ["of an invalid time", { exp: 1e300 }, /exp/],
  ["issued in the future", { iat: SECOND + 31 }, /issued in the future/],
  ["issued at no number", { iat: "now" }, /iat/],
  ["not valid yet", { nbf: SECOND + 31 }, /not valid yet/],
  ["with channels that are not a list", { authorizedChannels: "news" }, /authorizedChannels is not a list of strings/],
  ["with channels that are not names", { authorizedChannels: [7] }, /authorizedChannels is not a list of strings/],
  ["with a scope that is not a list", { scope: "subscribe" }, /scope is not a list of strings/],
])("B17: refuses a token %s as unauthenticated", async (_what, claims, text) => {
  const result = await outcome(claims);
  expect(result).toMatch(/^unauthenticated: invalid token: /);
  expect(result).toMatch(text);
});

test("B17: tolerates 30 s between the clocks", async () => {
  expect(await outcome({ exp: SECOND - 29, iat: SECOND + 30, nbf: SECOND + 30 })).toMatchObject({
    expires: NOW + 1_000,
  });
  expect(await outcome({ aud: ["other", "broadcaster"] })).toMatchObject({ user: "eve" });
});

test.each([
  ["no subject", { sub: undefined }, "invalid_argument: invalid subject claim"],
  ["an empty subject", { sub: "" }, "invalid_argument: invalid subject claim"],
  ["a subject that is not a string", { sub: 7 }, "invalid_argument: invalid subject claim"],
  ["no channels", { authorizedChannels: undefined }, "invalid_argument: authorized channels cannot be empty"],
  ["null for channels", { authorizedChannels: null }, "invalid_argument: authorized channels cannot be empty"],
  ["an empty list of channels", { authorizedChannels: [] }, "invalid_argument: authorized channels cannot be empty"],
])("B17: refuses a verified token with %s as an invalid argument", async (_what, claims, expected) => {
  expect(await outcome(claims)).toMatch(expected);
});

test("B17: accepts HS256 only, whatever the token's header says", async () => {
  expect(await outcome({}, "HS512")).toMatch(/^unauthenticated.*algorithm/);
  const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from(JSON.stringify(GOOD)).toString("base64url")}`;
  expect(await told(authenticator.authenticate(`${none}.`))).toMatch(/^unauthenticated/);
  expect(await told(authenticator.authenticate(`${none}.AA`))).toMatch(/^unauthenticated/);
  const rsa = await signed(pair("rsa").privateKey, "RS256", GOOD);
  expect(await told(authenticator.authenticate(rsa))).toMatch(/^unauthenticated/);
  expect(() => new BroadcasterAuthenticator(pem("rsa"), clockAt())).toThrow(/^secret: this is a public key/);
});

test("B17: refuses tokens signed with another secret", async () => {
  const other = new BroadcasterAuthenticator("short", clockAt());
  expect(await outcome({}, "HS256", other)).toMatch(/^unauthenticated.*signature/);
  expect(await told(other.authenticate(await signed("short", "HS256", GOOD)))).toMatchObject({ user: "eve" });
  const none = new BroadcasterAuthenticator(undefined, clockAt());
  expect(await outcome({}, "HS256", none)).toMatch(/^unauthenticated.*has no secret/);
  await expect(authenticator.checkChannelToken()).rejects.toMatchObject({ code: "unauthenticated" });
});

test("B17: refuses duplicate claims", async () => {
  const claims = JSON.stringify(GOOD).replace("{", '{"authorizedChannels":["other"],');
  expect(await told(authenticator.authenticate(raw('{"alg":"HS256"}', claims)))).toMatch(
    /^unauthenticated.*two members named/,
  );
});

test("B17: reads channels' names literally, never as patterns", async () => {
  const names = ["*", "re:.*", "re:a", "chat-*", "orders.>", "a.*", ">", "", "a b", "ok"];
  const { permissions } = (
    await authenticator.authenticate(await signed(SECRET, "HS256", { ...GOOD, authorizedChannels: names }))
  ).principal;
  for (const action of ["join", "publish"] as const) {
    expect(permissions.allows(action, "ok")).toBe(true);
    expect(permissions.allows(action, "re:a")).toBe(true);
    for (const other of ["a", "chat-1", "orders.1", "a.b", "re:b", "x", ">", "*"]) {
      expect([other, permissions.allows(action, other)]).toEqual([other, false]);
    }
  }
});

test("B17: allows exactly the channels that a token names", async () => {
  const name = fc.stringMatching(/^(?:re:)?[a-c:*>.|-]{1,4}$/);
  await fc.assert(
    fc.asyncProperty(fc.array(name, { minLength: 1, maxLength: 8 }), name, async (channels, asked) => {
      const token = await signed(SECRET, "HS256", { ...GOOD, authorizedChannels: channels });
      const { permissions } = (await authenticator.authenticate(token)).principal;
      const isName = /^[\w:-]+$/.test(asked);
      expect(permissions.allows("join", asked)).toBe(isName && channels.includes(asked));
    }),
    { numRuns: 300 },
  );
});

test("B17: refuses a token with too many expressions", async () => {
  const authorizedChannels = Array.from({ length: 33 }, (_, number) => `re:${number}`);
  expect(await outcome({ authorizedChannels })).toBe("invalid_argument: authorized channels: too many");
});
