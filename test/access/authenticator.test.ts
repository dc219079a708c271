import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AccessSettings,
  createVhostAccess,
  type JwtSettings,
  type VhostAccess,
} from "../../src/access/authenticators/vhost-access.js";
import { Permissions } from "../../src/access/decide/permissions.js";
import { Leases } from "../../src/access/tokens/leases.js";
import type { TokenIssuer } from "../../src/access/tokens/token-issuer.js";
import { createVhostSchema } from "../../src/config/vhost.js";
import { MemoryStore } from "../../src/store/memory.js";
import { cleanUp } from "../support/clean-up.js";
import { temporaryFolder } from "../support/temporary-files.js";
import { clockAt, NOW, pem, raw, SECOND, SECRET, signed } from "./jwts.js";

const CLAIMS = { user: "sub", permissions: "permissions", info: "info" };

function jwtSettings(more: Partial<JwtSettings> = { secret: SECRET }): JwtSettings {
  return { leeway: 0, claims: CLAIMS, ...more };
}

function access(
  settings: Partial<AccessSettings> = { jwt: jwtSettings() },
  vhost = "/",
): VhostAccess & { readonly issuer: TokenIssuer } {
  const clock = clockAt();
  const store = new MemoryStore({ clock, onError: String });
  const leases = new Leases({ clock, store });
  const made = createVhostAccess(vhost, { ...createVhostSchema([]).parse({}), ...settings }, { clock, leases, store });
  cleanUp(() => leases.stop());
  cleanUp(() => made.stop());
  return { ...made, issuer: made.createIssuer() };
}

function outcome(run: () => Promise<unknown>): Promise<string> {
  return run().then(
    () => "in",
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );
}

test("recognizes each kind of credential by its form", async () => {
  const { authenticator, issuer } = access();
  const jwt = await authenticator.authenticate(await signed(SECRET, "HS256"));
  const connection = await authenticator.authenticate((await issuer.createConnectionToken({ user: "bob" })).token);
  const single = await authenticator.authenticate((await issuer.createAccessToken({ user: "kim" })).token);
  expect([jwt, connection, single].map(({ principal }) => principal.user)).toEqual(["eve", "bob", "kim"]);
  expect([jwt, connection, single].map(({ release }) => release !== undefined)).toEqual([false, true, false]);
  expect(jwt.principal.expires).toBe(NOW + 60_000);
});

test("verifies a token that a secret has signed in the same turn", async () => {
  const token = await signed(SECRET, "HS256");
  expect(access().authenticator.authenticate(token)).toMatchObject({ principal: { user: "eve" } });
});

test("grants every client the anonymous permissions in addition to those of its token", async () => {
  const { authenticator, issuer } = access({ jwt: jwtSettings(), anonymous: { permissions: { join: ["public.*"] } } });
  const permissions = { join: ["own"], publish: ["own"] };
  const expected = { join: ["own", "public.*"], publish: ["own"] };
  for (const credential of [
    await signed(SECRET, "HS256", { permissions }),
    (await issuer.createConnectionToken({ permissions: Permissions.of(permissions) })).token,
    (await issuer.createAccessToken({ permissions: Permissions.of(permissions) })).token,
  ]) {
    expect((await authenticator.authenticate(credential)).principal.permissions.grants).toEqual(expected);
  }
  const plain = await authenticator.authenticate(await signed(SECRET, "HS256"));
  expect(plain.principal.permissions.grants).toEqual({ join: ["public.*"] });
});

test("lets one connection at a time use a connection token, and any number use a JWT", async () => {
  const { authenticator, issuer } = access();
  const { token } = await issuer.createConnectionToken({});
  const held = await authenticator.authenticate(token);
  expect(await outcome(async () => authenticator.authenticate(token))).toMatch(/^unauthenticated.*another connection/);
  held.release?.();
  expect(await outcome(async () => authenticator.authenticate(token))).toBe("in");
  const jwt = await signed(SECRET, "HS256");
  expect(await outcome(async () => authenticator.authenticate(jwt))).toBe("in");
  expect(await outcome(async () => authenticator.authenticate(jwt))).toBe("in");
});

test("does not try a credential as another kind: the issuer cannot forge Carillon's tokens, nor the reverse", async () => {
  const secret = "x".repeat(64);
  const same = { jwt: jwtSettings({ secret, algorithms: ["HS512"] }), tokens: { secret: "y".repeat(64) } };
  const { authenticator, issuer } = access(same);
  const asIssued = JSON.stringify({
    sub: "eve",
    exp: SECOND + 60,
    category: "connect",
    applicationIdentifier: "/",
    id: "1",
  });
  expect(
    await outcome(async () => authenticator.authenticate(raw('{"alg":"HS512"}', asIssued, secret, "sha512"))),
  ).toMatch(/signature/);
  const channel = await issuer.createChannelToken("c");
  expect(await outcome(async () => authenticator.authenticate(channel.token))).toMatch(
    /^unauthenticated.*not a connect token/,
  );
  expect(await outcome(async () => authenticator.checkChannelToken(channel.token, "c"))).toBe("in");
  expect(
    await outcome(async () => authenticator.checkChannelToken(raw('{"alg":"HS512"}', asIssued, secret, "sha512"), "c")),
  ).toMatch(/signature/);
  const jwt = JSON.stringify({ sub: "eve", exp: SECOND + 60, category: "other" });
  expect(await outcome(async () => authenticator.authenticate(raw('{"alg":"HS512"}', jwt, secret, "sha512")))).toBe(
    "in",
  );
  expect(
    await outcome(async () => authenticator.authenticate(raw('{"alg":"HS512"}', jwt, "y".repeat(64), "sha512"))),
  ).toMatch(/signature/);
});

test.each([
  "",
  " ",
  "x",
  "a".repeat(127),
  "A".repeat(128),
  "a".repeat(129),
  "g".repeat(128),
  "ck_x",
  "a.b.c",
  "\u0000",
])("refuses the credential %.10j", async (credential) => {
  expect(await outcome(async () => access().authenticator.authenticate(credential))).toMatch(/^unauthenticated/);
});

test("refuses an unknown access token", async () => {
  expect(await outcome(async () => access().authenticator.authenticate("a".repeat(128)))).toMatch(
    /^unauthenticated.*unknown/,
  );
});

test("accepts only Carillon's tokens in a vhost without an issuer", async () => {
  const { authenticator, issuer, jwt } = access({});
  expect(jwt).toBeUndefined();
  expect(await outcome(async () => authenticator.authenticate(await signed(SECRET, "HS256")))).toMatch(
    /^unauthenticated.*issued by Carillon/,
  );
  expect(await outcome(async () => authenticator.authenticate((await issuer.createConnectionToken({})).token))).toBe(
    "in",
  );
});

test("answers unavailable for an unreachable issuer's tokens only", async () => {
  const { authenticator, issuer } = access({ jwt: jwtSettings({ jwks_url: "http://127.0.0.1:1/jwks" }) });
  const jwt = raw('{"alg":"RS256","kid":"a"}', JSON.stringify({ sub: "eve", exp: SECOND + 60 }));
  expect(await outcome(async () => authenticator.authenticate(jwt))).toMatch(/^unavailable/);
  expect(await outcome(async () => authenticator.authenticate((await issuer.createConnectionToken({})).token))).toBe(
    "in",
  );
});

test("reads keys and secrets from files", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "secret"), `${SECRET}\n`);
  writeFileSync(join(folder, "key.pem"), pem("rsa"));
  const { authenticator, issuer } = access({
    jwt: jwtSettings({ secret_file: join(folder, "secret") }),
    tokens: { secret_file: join(folder, "secret") },
  });
  expect(await outcome(async () => authenticator.authenticate(await signed(SECRET, "HS256")))).toBe("in");
  expect(await outcome(async () => authenticator.authenticate((await issuer.createConnectionToken({})).token))).toBe(
    "in",
  );
  expect(access({ jwt: jwtSettings({ public_key_file: join(folder, "key.pem") }) }).jwt).toBeDefined();
  expect(() => access({ tokens: { secret_file: join(folder, "none") } })).toThrow(
    expect.objectContaining({
      code: "failed_precondition",
      message: expect.stringContaining("tokens.secret_file") as string,
    }),
  );
  expect(() => access({ jwt: jwtSettings({}) })).toThrow(/expected one of/);
});

test("accepts an issuer's tokens with claims that Carillon also uses", async () => {
  const secret = "x".repeat(64);
  const { authenticator } = access({ jwt: jwtSettings({ secret }) });
  const claims = { sub: "eve", exp: SECOND + 60, category: "connect" };
  const named = JSON.stringify({ ...claims, applicationIdentifier: "/" });
  expect(await outcome(async () => authenticator.authenticate(raw('{"alg":"HS256"}', named, secret)))).toBe("in");
  expect(
    await outcome(async () =>
      authenticator.authenticate(raw('{"alg":"HS512"}', JSON.stringify(claims), secret, "sha512")),
    ),
  ).toBe("in");
});
