import type { JwtOptions } from "../../src/access/jwt/jwt-verifier.js";
import { clockAt, NOW, PromisingVerifier, raw, SECOND, SECRET } from "./jwts.js";

/** Signs a token with claims given as JSON text. */
function token(claims: object | string): string {
  return raw('{"alg":"HS256"}', typeof claims === "string" ? claims : JSON.stringify(claims));
}

function verify(claims: object | string, options: Partial<JwtOptions>, clock = clockAt()) {
  return new PromisingVerifier({ secret: SECRET, ...options }, clock).verify(token(claims));
}

/** Claim names of another application. */
const CLAIMS = { user: "id", issued_at: "issued_at", expires_in: "expires_in" };
const iso = (offset: number): string => new Date(NOW + offset).toISOString();

describe("integer users", () => {
  test("A5: accepts an integer user with all its digits when configured", async () => {
    const options = { integerUser: true, claims: { user: "id" } };
    const claims = `{"id":607637793107345431,"exp":${SECOND + 60}}`;
    expect(await verify(claims, options)).toMatchObject({ principal: { user: "607637793107345431" } });
    const nested = `{"a":{"b":"x","c":123456789012345678901},"exp":${SECOND + 60}}`;
    const { principal } = await verify(nested, { ...options, claims: { user: "a.c" } });
    expect(principal.user).toBe("123456789012345678901");
    await expect(verify(claims, { claims: { user: "id" } })).rejects.toThrow("id is not a string");
  });

  test.each(["1.0", "1E5", "-1", "true", "[1]", "1e400"])("A5: refuses the user %s", async (text) => {
    const claims = `{"sub":${text},"exp":${SECOND + 60}}`;
    await expect(verify(claims, { integerUser: true })).rejects.toThrow("sub is not a string");
  });
});

describe("tokens without expiry", () => {
  test("A5: accepts tokens without expiry when configured, and still checks an expiry", async () => {
    const clock = clockAt();
    expect(await verify({ sub: "eve" }, { requireExp: false }, clock)).toMatchObject({
      principal: { expires: undefined },
    });
    const { principal } = await verify({ sub: "eve", exp: SECOND + 60 }, { requireExp: false });
    expect(principal.expires).toBe(NOW + 60_000);
    await expect(verify({ sub: "eve", exp: SECOND - 60 }, { requireExp: false })).rejects.toThrow("expired");
    await expect(verify({ sub: "eve", exp: "never" }, { requireExp: false })).rejects.toThrow("exp");
    await expect(verify({ sub: "eve" }, {})).rejects.toThrow("missing claim exp");
  });

  test("A5: caches tokens without expiry", async () => {
    const verifier = new PromisingVerifier({ secret: SECRET, requireExp: false }, clockAt());
    const text = token({ sub: "eve" });
    expect(await verifier.verify(text)).toBe(await verifier.verify(text));
  });
});

describe("claims of issue and lifetime", () => {
  const options = { claims: CLAIMS, leeway: 1_000 };

  test.each<[string, unknown]>([
    ["seconds", SECOND - 10],
    ["ISO 8601", iso(-10_000)],
    ["without a zone", iso(-10_000).replace("Z", "")],
    ["microseconds", iso(-10_000).replace("Z", "000")],
    ["a zone", iso(3_590_000).replace("Z", "+01:00")],
  ])("A5: expires a token by issue and lifetime (%s)", async (_, issued_at) => {
    const { principal } = await verify({ id: "eve", issued_at, expires_in: 60 }, options);
    expect(principal.expires).toBe(NOW + 51_000);
  });

  test("A5: uses the earlier expiry when there is an exp too", async () => {
    const claims = { id: "eve", issued_at: SECOND, expires_in: 60 };
    expect((await verify({ ...claims, exp: SECOND + 30 }, options)).principal.expires).toBe(NOW + 31_000);
    expect((await verify({ ...claims, exp: SECOND + 90 }, options)).principal.expires).toBe(NOW + 61_000);
    expect((await verify({ id: "eve", exp: SECOND + 30 }, options)).principal.expires).toBe(NOW + 31_000);
  });

  test.each<[object, string]>([
    [{ issued_at: SECOND - 100, expires_in: 60 }, "expired"],
    [{ issued_at: SECOND + 10, expires_in: 60 }, "in the future (issued_at)"],
    [{ issued_at: SECOND }, "expires_in is not a number"],
    [{ expires_in: 60 }, "issued_at is neither"],
    [{ issued_at: "yesterday", expires_in: 60 }, "issued_at is neither"],
    [{ issued_at: "2023-13-45T00:00:00", expires_in: 60 }, "issued_at is neither"],
    [{ issued_at: SECOND, expires_in: -1 }, "expires_in is not a number"],
    [{ issued_at: SECOND, expires_in: "60" }, "expires_in is not a number"],
    [{ issued_at: SECOND, expires_in: 1e300 }, "invalid expiry"],
    [{ issued_at: null, expires_in: null }, "expires_in is not a number"],
    [{}, "no expiry"],
  ])("A5: refuses %j", async (claims, text) => {
    await expect(verify({ id: "eve", ...claims }, options)).rejects.toThrow(text);
  });
});

describe("permissions as an integer", () => {
  const permissionBits = { 2: { join: ["news"] }, 16: { join: ["chat-*"], call: ["e"] }, 18: { publish: ["both"] } };
  const options = { permissionBits };
  const grants = async (permissions: string): Promise<object> =>
    (await verify(`{"sub":"eve","exp":${SECOND + 60},"permissions":${permissions}}`, options)).principal.permissions
      .grants;

  test.each([
    ["0", {}],
    ["274", { join: ["news", "chat-*"], call: ["e"], publish: ["both"] }],
    ["2", { join: ["news"] }],
    ["16", { join: ["chat-*"], call: ["e"] }],
    ['"18446744073709551634"', { join: ["news", "chat-*"], call: ["e"], publish: ["both"] }],
    ["18446744073709551618", { join: ["news"] }],
    ['{"join":["a"]}', { join: ["a"] }],
    ["null", {}],
  ])("A5: grants the permissions of the bits: %s", async (permissions, expected) => {
    expect(await grants(permissions)).toEqual(expected);
  });

  test.each(["-2", "1.5", "1e3", '"x"', "true", "[2]"])("A5: refuses %s as permissions", async (permissions) => {
    await expect(grants(permissions)).rejects.toThrow("permissions is not an object");
  });

  test("A5: refuses an integer without the setting, and names invalid settings", async () => {
    await expect(verify({ sub: "eve", exp: SECOND + 60, permissions: 2 }, {})).rejects.toThrow(
      "permissions is not an object",
    );
    expect(
      () => new PromisingVerifier({ secret: SECRET, permissionBits: { 1: { join: ["re:("] } } }, clockAt()),
    ).toThrow("permission_bits: permission join");
  });
});
