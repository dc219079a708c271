import type { JwtOptions } from "../../src/access/jwt/jwt-verifier.js";
import {
  clockAt,
  GOOD_CLAIMS,
  jwk,
  NOW,
  PromisingVerifier,
  pair,
  pem,
  raw,
  rawWithKey,
  SECOND,
  SECRET,
  signed,
} from "./jwts.js";
import { certificate } from "./x509.js";

const unauthenticated = (text: string | RegExp) =>
  expect.objectContaining({ code: "unauthenticated", message: expect.stringMatching(text) as string }) as Error;

/** "in", or the error's text. */
async function outcome(verified: Promise<unknown>): Promise<string> {
  return verified.then(
    () => "in",
    (error: unknown) => String(error),
  );
}

function claimsOf(size: number): string {
  return JSON.stringify({ sub: "eve", exp: SECOND + 60, x: "x".repeat(size) });
}

function verifier(options: JwtOptions = { secret: SECRET }, clock = clockAt()): PromisingVerifier {
  return new PromisingVerifier(options, clock);
}

test.each([
  ["HS256", SECRET, { secret: SECRET }],
  ["HS384", SECRET, { secret: SECRET }],
  ["HS512", SECRET, { secret: SECRET }],
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map(
    (alg) => [alg, pair("rsa").privateKey, { publicKey: pem("rsa") }] as const,
  ),
  ["ES256", pair("p256").privateKey, { publicKey: pem("p256") }],
  ["ES384", pair("p384").privateKey, { publicKey: pem("p384") }],
  ["ES512", pair("p521").privateKey, { publicKey: pem("p521") }],
  ["EdDSA", pair("ed25519").privateKey, { publicKey: pem("ed25519") }],
] as const)("%s: accepts its tokens, and refuses forged ones", async (alg, key, options) => {
  const one = verifier(options);
  await expect(one.verify(await signed(key, alg))).resolves.toMatchObject({ principal: { user: "eve" } });
  const token = await signed(key, alg, { sub: "mallory" });
  const [header = "", , signature = ""] = token.split(".");
  const forged = [header, Buffer.from(GOOD_CLAIMS).toString("base64url"), signature].join(".");
  await expect(one.verify(forged)).rejects.toEqual(unauthenticated("invalid signature"));
  const limited = verifier({ ...options, algorithms: [alg] });
  await expect(limited.verify(token)).resolves.toMatchObject({ principal: { user: "mallory" } });
});

test("reads keys as PEM, certificate or JWK", async () => {
  const token = await signed(pair("p256").privateKey, "ES256");
  for (const publicKey of [pem("p256"), `\n${pem("p256")}\n`, JSON.stringify(jwk("p256")), await certificate("p256")]) {
    await expect(verifier({ publicKey }).verify(token)).resolves.toMatchObject({ principal: { user: "eve" } });
  }
});

test("creates a principal from the claims", async () => {
  const token = await signed(SECRET, "HS256", {
    permissions: { join: ["orders.*"], publish: ["chat"] },
    info: { name: "Eve", roles: ["a", 1, null] },
  });
  const { claims, principal } = await verifier().verify(token);
  expect(principal).toMatchObject({
    user: "eve",
    expires: NOW + 60_000,
    info: '{"name":"Eve","roles":["a",1,null]}',
  });
  expect(principal.permissions.grants).toEqual({ join: ["orders.*"], publish: ["chat"] });
  expect(claims["sub"]).toBe("eve");
});

test("reads renamed claims: in an object, or a URL with dots", async () => {
  const one = verifier({
    secret: SECRET,
    claims: { user: "account.id", permissions: "https://example.com/may", info: "constructor.name" },
  });
  const claims = { account: { id: "u1" }, "https://example.com/may": { join: ["a"] } };
  const { principal } = await one.verify(await signed(SECRET, "HS256", claims));
  expect(principal.user).toBe("u1");
  expect(principal.permissions.grants).toEqual({ join: ["a"] });
  expect(principal.info).toBe("{}");
});

test.each([
  ["no user", { sub: undefined }, "sub is missing"],
  ["an empty user", { sub: "" }, "sub is empty"],
  ["a user that is not a string", { sub: 7 }, "sub is not a string"],
  ["a long user", { sub: "é".repeat(128) }, "sub is longer"],
  ["control characters in the user", { sub: "a\nb" }, "sub contains"],
  ["permissions that are a list", { permissions: ["join"] }, "permissions is not an object"],
  ["permissions for an unknown action", { permissions: { subscribe: ["a"] } }, "contains an unknown action"],
  ["permissions for toString", { permissions: { toString: ["a"] } }, "contains an unknown action"],
  ["a pattern that is not a string", { permissions: { join: [1] } }, "not a list of patterns"],
  ["a pattern outside of a list", { permissions: { join: "*" } }, "not a list of patterns"],
  ["a pattern that cannot be read", { permissions: { join: ["a*b"] } }, "permission join"],
  ["an exploding pattern", { permissions: { join: ["re:((x{1000}){1000})"] } }, "permission join"],
  ["too many patterns", { permissions: { join: Array.from({ length: 1_001 }, () => "a") } }, "more than 1000"],
  ["too many expressions", { permissions: { join: Array.from({ length: 33 }, (_, n) => `re:${n}`) } }, "more than 32"],
  ["info that is a text", { info: "x" }, "info is not an object"],
  ["large info", { info: { text: "x".repeat(4_096) } }, "info is larger"],
  ["no exp", { exp: undefined }, "missing claim exp"],
  ["exp that is a text", { exp: String(SECOND + 60) }, "exp"],
  ["exp beyond all time", { exp: 1e300 }, "exp"],
  ["iat that is a text", { iat: "1" }, "iat"],
  ["nbf that is a text", { nbf: "1" }, "not valid yet"],
] as const)("refuses a token with %s", async (_, claims, text) => {
  await expect(verifier().verify(await signed(SECRET, "HS256", claims))).rejects.toEqual(unauthenticated(text));
});

test.each([
  ["exp just ahead", { exp: SECOND + 1 }, 0, undefined],
  ["exp now", { exp: SECOND }, 0, "expired"],
  ["exp within the leeway", { exp: SECOND - 29 }, 30_000, undefined],
  ["exp at the end of the leeway", { exp: SECOND - 30 }, 30_000, "expired"],
  ["nbf now", { nbf: SECOND }, 0, undefined],
  ["nbf ahead", { nbf: SECOND + 1 }, 0, "not valid yet"],
  ["nbf within the leeway", { nbf: SECOND + 30 }, 30_000, undefined],
  ["nbf beyond the leeway", { nbf: SECOND + 31 }, 30_000, "not valid yet"],
  ["iat now", { iat: SECOND }, 0, undefined],
  ["iat ahead", { iat: SECOND + 1 }, 0, "in the future"],
  ["iat within the leeway", { iat: SECOND + 30 }, 30_000, undefined],
  ["iat beyond the leeway", { iat: SECOND + 31 }, 30_000, "in the future"],
  ["exp below zero", { exp: -1 }, 0, "expired"],
] as const)("times: %s", async (_, claims, leeway, text) => {
  const token = await signed(SECRET, "HS256", claims);
  expect(await outcome(verifier({ secret: SECRET, leeway }).verify(token))).toMatch(text ?? /^in$/);
});

test.each([
  [{ issuer: "a" }, { iss: "a" }, undefined],
  [{ issuer: ["a", "b"] }, { iss: "b" }, undefined],
  [{ issuer: "a" }, { iss: "b" }, "wrong issuer"],
  [{ issuer: "a" }, {}, "missing claim iss"],
  [{ issuer: "a" }, { iss: ["a"] }, "wrong issuer"],
  [{ audience: "a" }, { aud: "a" }, undefined],
  [{ audience: "a" }, { aud: ["x", "a"] }, undefined],
  [{ audience: ["a", "b"] }, { aud: "b" }, undefined],
  [{ audience: "a" }, { aud: "ab" }, "wrong audience"],
  [{ audience: "a" }, {}, "missing claim aud"],
] as const)("%j with %j: %s", async (options, claims, text) => {
  const token = await signed(SECRET, "HS256", claims);
  expect(await outcome(verifier({ secret: SECRET, ...options }).verify(token))).toMatch(text ?? /^in$/);
});

test.each(["none", "None", "NONE", "nOnE", "", "HS1", "hs256", "__proto__", "constructor"])(
  "refuses the alg %j, signed or not",
  async (alg) => {
    const header = JSON.stringify({ alg });
    const text = [header, GOOD_CLAIMS].map((part) => Buffer.from(part).toString("base64url")).join(".");
    for (const one of [verifier(), verifier({ publicKey: pem("rsa") })]) {
      for (const token of [`${text}.`, text, `${text}.AA`, raw(header, GOOD_CLAIMS)]) {
        await expect(one.verify(token)).rejects.toEqual(unauthenticated("invalid token"));
      }
    }
  },
);

test("refuses HMAC signatures made with the public key, in any of its forms", async () => {
  const one = verifier({ publicKey: pem("rsa") });
  const der = pair("rsa").publicKey.export({ type: "spki", format: "der" });
  for (const secret of [pem("rsa"), pem("rsa").trim(), der, JSON.stringify(jwk("rsa"))]) {
    for (const [alg, hash] of [
      ["HS256", "sha256"],
      ["HS512", "sha512"],
    ] as const) {
      const token = raw(JSON.stringify({ alg }), GOOD_CLAIMS, secret as string, hash);
      await expect(one.verify(token)).rejects.toEqual(unauthenticated("signing algorithm not allowed"));
    }
  }
});

test("ignores keys and key URLs in the header", async () => {
  const one = verifier({ publicKey: pem("rsa") });
  const own = { jwk: jwk("rsa2"), jku: "http://127.0.0.1:1/jwks", x5u: "http://127.0.0.1:1/x", x5c: ["AAAA"] };
  for (const [name, value] of Object.entries(own)) {
    const foreign = await signed(pair("rsa2").privateKey, "RS256", {}, { [name]: value });
    await expect(one.verify(foreign)).rejects.toEqual(unauthenticated("invalid signature"));
    const good = await signed(pair("rsa").privateKey, "RS256", {}, { [name]: value });
    await expect(one.verify(good)).resolves.toBeDefined();
  }
});

test.each([
  ["crit", '{"alg":"HS256","crit":["exp"],"exp":1}', "crit"],
  ["b64", '{"alg":"HS256","b64":false,"crit":["b64"]}', "crit"],
  ["an empty crit", '{"alg":"HS256","crit":[]}', "crit"],
  ["a kid that is not a string", '{"alg":"HS256","kid":{"a":1}}', "kid"],
  ["a typ for something else", '{"alg":"HS256","typ":"logout+jwt"}', "typ"],
  ["a typ that is not a string", '{"alg":"HS256","typ":["JWT"]}', "typ"],
  ["two algs", '{"alg":"none","alg":"HS256"}', 'two members named "alg"'],
  ["__proto__", '{"alg":"HS256","__proto__":{"x":1}}', "__proto__"],
  ["a list", '["HS256"]', "not a JSON object"],
  ["no JSON", "alg=HS256", "not JSON"],
] as const)("refuses a header with %s", async (_, header, text) => {
  await expect(verifier().verify(raw(header, GOOD_CLAIMS))).rejects.toEqual(unauthenticated(text));
});

test.each(['{"alg":"HS256","typ":"JWT"}', '{"alg":"HS256","typ":"jwt"}', '{"alg":"HS256","typ":"at+jwt"}'])(
  "accepts the header %s",
  async (header) => {
    await expect(verifier().verify(raw(header, GOOD_CLAIMS))).resolves.toBeDefined();
  },
);

test.each(["../../dev/null", "' OR 1=1 --", "__proto__", "constructor", "\u0000", "x".repeat(2_000)])(
  "ignores the key id %j when one key is configured",
  async (kid) => {
    const one = verifier({ publicKey: pem("rsa") });
    await expect(one.verify(await signed(pair("rsa").privateKey, "RS256", {}, { kid }))).resolves.toBeDefined();
    await expect(one.verify(raw(JSON.stringify({ alg: "HS256", kid }), GOOD_CLAIMS, ""))).rejects.toEqual(
      unauthenticated("allowed"),
    );
  },
);

const HEADER = '{"alg":"HS256"}';

test.each([
  ["the same claim twice", `{"sub":"a","exp":${SECOND + 60},"sub":"b"}`, 'two members named "sub"'],
  ["the same claim twice, once escaped", `{"sub":"a","exp":${SECOND + 60},"s\\u0075b":"b"}`, 'two members named "sub"'],
  [
    "a name twice inside",
    `{"sub":"a","exp":${SECOND + 60},"info":{"a":1,"b":[{"c":1}],"a":2}}`,
    'two members named "a"',
  ],
  ["__proto__", `{"sub":"a","exp":${SECOND + 60},"__proto__":{"permissions":{"join":["*"]}}}`, "__proto__"],
  ["deep lists", `{"sub":"a","exp":${SECOND + 60},"x":${"[".repeat(50)}${"]".repeat(50)}}`, "nested too deeply"],
  ["very deep lists", `{"sub":"a","exp":${SECOND + 60},"x":${"[".repeat(2_500)}${"]".repeat(2_500)}}`, "too deeply"],
  ["deep objects", `{"sub":"a","exp":${SECOND + 60},"x":${'{"a":'.repeat(20)}1${"}".repeat(20)}}`, "too deeply"],
  ["a list", "[1]", "not a JSON object"],
  ["null", "null", "not a JSON object"],
  ["no JSON", "{", "not JSON"],
  ["infinite exp", '{"sub":"a","exp":1e999}', "exp"],
] as const)("refuses claims with %s", async (_, claims, text) => {
  await expect(verifier().verify(raw(HEADER, claims))).rejects.toEqual(unauthenticated(text));
});

test("ignores names and brackets inside strings", async () => {
  const claims = `{"sub":"{[\\"sub\\":","exp":${SECOND + 60},"info":{"a":[{"a":1},{"a":2}],"b":"a"}}`;
  const { principal } = await verifier().verify(raw(HEADER, claims));
  expect(principal.user).toBe('{["sub":');
});

test.each([
  "",
  ".",
  "..",
  "a.b",
  "a.b.c.d",
  "a..c",
  " ",
  "é.é.é",
  "a b.c.d",
  "eyJhbGciOiJIUzI1NiJ9.e30.",
  "\n",
  "=.=.=",
])("refuses the token %j", async (token) => {
  await expect(verifier().verify(token)).rejects.toEqual(unauthenticated("invalid token"));
});

test("refuses claims that are not UTF-8", async () => {
  const text = `${Buffer.from(HEADER).toString("base64url")}.${Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")}`;
  await expect(verifier().verify(`${text}.AAAA`)).rejects.toEqual(unauthenticated("not JSON"));
});

test("accepts tokens of up to 8,192 characters", async () => {
  const short = raw(HEADER, claimsOf(6_000));
  await expect(verifier().verify(short)).resolves.toBeDefined();
  let size = 6_050;
  while (raw(HEADER, claimsOf(size + 1)).length <= 8_192) size += 1;
  await expect(verifier().verify(raw(HEADER, claimsOf(size)))).resolves.toBeDefined();
  await expect(verifier().verify(raw(HEADER, claimsOf(size + 3)))).rejects.toEqual(unauthenticated("longer than 8192"));
});

test("refuses a signature of another kind of key", async () => {
  const token = rawWithKey('{"alg":"ES256"}', GOOD_CLAIMS, pair("rsa").privateKey);
  await expect(verifier({ publicKey: pem("p256") }).verify(token)).rejects.toEqual(unauthenticated("signature"));
});

test("caches a token until it expires, leeway included", async () => {
  const clock = clockAt();
  const one = verifier({ secret: SECRET, leeway: 5_000 }, clock);
  const token = await signed(SECRET, "HS256");
  const first = await one.verify(token);
  expect(first.principal.expires).toBe(NOW + 65_000);
  expect(await one.verify(token)).toBe(first);
  clock.advance(64_999);
  expect(await one.verify(token)).toBe(first);
  clock.advance(1);
  await expect(one.verify(token)).rejects.toEqual(unauthenticated("expired"));
});

test.each([
  ["no key", {}, "expected one of"],
  ["two keys", { secret: SECRET, publicKey: pem("rsa") }, "expected one of"],
  ["an empty secret", { secret: "" }, "at least 32 bytes|must not be empty"],
  ["a short secret", { secret: "x".repeat(31) }, "HS256 requires at least 32 bytes"],
  ["a secret too short for its algorithm", { secret: "x".repeat(63), algorithms: ["HS512"] }, "at least 64 bytes"],
  ["a public key as the secret", { secret: pem("rsa") }, "give it as public_key"],
  ["a JWK as the secret", { secret: JSON.stringify(jwk("rsa")) }, "give it as public_key"],
  ["a secret for RS256", { secret: SECRET, algorithms: ["RS256"] }, "cannot be used with a secret"],
  ["a secret for none", { secret: SECRET, algorithms: ["none"] }, "cannot be used with"],
  ["a public key for HS256", { publicKey: pem("rsa"), algorithms: ["HS256"] }, "cannot be used with an RSA key"],
  ["an RSA key for both", { publicKey: pem("rsa"), algorithms: ["RS256", "HS256"] }, "HS256.*cannot be used with"],
  ["an RSA key for ES256", { publicKey: pem("rsa"), algorithms: ["ES256"] }, "cannot be used with"],
  ["a P-256 key for ES384", { publicKey: pem("p256"), algorithms: ["ES384"] }, "cannot be used with"],
  ["no algorithm", { publicKey: pem("rsa"), algorithms: [] }, "at least one"],
  ["a weak RSA key", { publicKey: pem("weak") }, "2048"],
  ["a curve without an algorithm", { publicKey: pem("k256") }, "P-256"],
  [
    "a private key",
    { publicKey: pair("rsa").privateKey.export({ type: "pkcs8", format: "pem" }).toString() },
    "private",
  ],
  ["a private JWK", { publicKey: JSON.stringify(pair("rsa").privateKey.export({ format: "jwk" })) }, "private"],
  ["no key at all", { publicKey: "hello" }, "malformed"],
  ["HMAC at a URL", { jwksUrl: "https://example.com/", algorithms: ["HS256"] }, "cannot be used with jwks_url"],
  ["a URL in the clear", { jwksUrl: "http://example.com/" }, "jwks_url"],
  ["a file URL", { jwksUrl: "file:///etc/passwd" }, "jwks_url"],
  ["no URL", { jwksUrl: "jwks" }, "jwks_url"],
  ["a password in the URL", { jwksUrl: "https://a:b@example.com/" }, "user or password"],
] as const)("refuses a configuration with %s", (_, options, text) => {
  const wrong = () => verifier(options as JwtOptions);
  expect(wrong).toThrow(new RegExp(text));
  expect(wrong).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});

test("accepts short secrets when allowed", async () => {
  const secret = "short";
  const one = verifier({ secret, allowShortSecret: true });
  await expect(one.verify(raw(HEADER, GOOD_CLAIMS, secret))).resolves.toBeDefined();
  await expect(one.verify(raw('{"alg":"HS512"}', GOOD_CLAIMS, secret, "sha512"))).rejects.toEqual(
    unauthenticated("allowed"),
  );
});

test("shows neither secret nor token in refusals", async () => {
  const one = verifier();
  for (const token of [raw(HEADER, GOOD_CLAIMS, "x".repeat(32)), raw(HEADER, "{"), `${SECRET}.${SECRET}.${SECRET}`]) {
    const error = await one.verify(token).catch((cause: unknown) => cause);
    expect(String(error)).not.toContain(SECRET);
    expect(String(error)).not.toContain(token.slice(-20));
  }
});
