import fc from "fast-check";
import { errors, jwtVerify } from "jose";
import { readPublicKey } from "../../src/access/jwt/jwt-key.js";
import { verifyJwt } from "../../src/access/jwt/jwt-signature.js";
import { readJwt } from "../../src/access/jwt/jwt-text.js";
import { CarillonError } from "../../src/errors.js";
import { NOW, pair, pem, raw, rawWithKey, SECOND, SECRET } from "./jwts.js";

/** Claims and their values: valid ones, those at the limits, and those of other types. */
const time = fc.constantFrom(
  SECOND - 31,
  SECOND - 30,
  SECOND - 1,
  SECOND,
  SECOND + 1,
  SECOND + 31,
  0,
  -1,
  0.5,
  "1",
  null,
  [],
  1e300,
);
const party = fc.constantFrom("a", "b", "", null, 1, ["a"], ["b", "c"], [], [["a"]], { a: 1 });
const claims = fc.record({ exp: time, nbf: time, iat: time, iss: party, aud: party }, { requiredKeys: [] });
const header = fc.record(
  { alg: fc.constantFrom("HS256", "HS256", "HS384", "HS512", "RS256", "none", "", 1, null), b64: fc.constant(false) },
  { requiredKeys: [] },
);
const demands = fc.record(
  {
    issuers: fc.constantFrom<string[][]>(["a"], ["a", "b"], []),
    audiences: fc.constantFrom<string[][]>(["a"], ["a", "b"], []),
    requireExp: fc.boolean(),
    leeway: fc.constantFrom(0, 500, 30_000),
  },
  { requiredKeys: [] },
);
type Demands = typeof demands extends fc.Arbitrary<infer Value> ? Value : never;

const NAMES: Readonly<Record<string, string>> = {
  nbf: "not valid yet (nbf)",
  iss: "wrong issuer (iss)",
  aud: "wrong audience (aud)",
  iat: "time of issue (iat) is not a number",
  exp: "expiry (exp) is not a number",
};

/** Returns what jose says about a token: "in", or the text of the refusal. */
async function askJose(
  token: string,
  key: Parameters<typeof jwtVerify>[1],
  algorithms: string[],
  { audiences, issuers, leeway = 0, requireExp = true }: Demands,
) {
  try {
    await jwtVerify(token, key as Uint8Array, {
      algorithms,
      currentDate: new Date(NOW),
      clockTolerance: leeway / 1_000,
      requiredClaims: requireExp ? ["exp"] : [],
      ...(issuers === undefined ? {} : { issuer: issuers }),
      ...(audiences === undefined ? {} : { audience: audiences }),
    });
    return "in";
  } catch (error) {
    if (error instanceof errors.JWTExpired) return "expired";
    if (error instanceof errors.JWTClaimValidationFailed) {
      return error.reason === "missing" ? `missing claim ${error.claim}` : NAMES[error.claim];
    }
    if (error instanceof errors.JOSEAlgNotAllowed) return "signing algorithm not allowed";
    return error instanceof errors.JWSSignatureVerificationFailed ? "invalid signature" : "verification failed";
  }
}

async function ask(token: string, key: Parameters<typeof verifyJwt>[1], algorithms: string[], more: Demands) {
  try {
    await verifyJwt(readJwt(token), key, { ...more, algorithms, now: NOW });
    return "in";
  } catch (error) {
    return CarillonError.from(error).message.replace("invalid token: ", "");
  }
}

const ALGORITHMS = ["HS256", "HS512"];

test("A5: decides about tokens with a secret as jose does, whatever header, claims and settings", async () => {
  const seen = new Set<string | undefined>();
  await fc.assert(
    fc.asyncProperty(header, claims, demands, async (head, body, more) => {
      const hash = { HS384: "sha384", HS512: "sha512" }[String(head.alg)] ?? "sha256";
      const token = raw(JSON.stringify(head), JSON.stringify(body), SECRET, hash);
      const expected = await askJose(token, Buffer.from(SECRET), ALGORITHMS, more);
      expect(await ask(token, Buffer.from(SECRET), ALGORITHMS, more)).toBe(expected);
      seen.add(expected);
    }),
    { numRuns: 3_000 },
  );
  for (const outcome of ["in", "expired", "signing algorithm not allowed", ...Object.values(NAMES)]) {
    expect(seen).toContain(outcome);
  }
});

test("A5: decides about tokens with a public key as jose does, whatever claims and settings", async () => {
  const { privateKey, publicKey } = pair("rsa");
  const { key } = readPublicKey(pem("rsa"), ["RS256"]);
  await fc.assert(
    fc.asyncProperty(claims, demands, async (body, more) => {
      const token = rawWithKey('{"alg":"RS256"}', JSON.stringify(body), privateKey);
      expect(await ask(token, key, ["RS256"], more)).toBe(await askJose(token, publicKey, ["RS256"], more));
    }),
    { numRuns: 200 },
  );
});

test.each([
  ["HS256", "sha256"],
  ["HS384", "sha384"],
  ["HS512", "sha512"],
])("A5: refuses every changed signature of %s", async (alg, hash) => {
  const token = raw(JSON.stringify({ alg }), JSON.stringify({ exp: SECOND + 60 }), SECRET, hash);
  const [head = "", body = "", signature = ""] = token.split(".");
  const secret = Buffer.from(SECRET);
  expect(await ask(token, secret, [alg], {})).toBe("in");
  for (let position = 0; position < signature.length - 1; position += 1) {
    const other = signature[position] === "A" ? "B" : "A";
    const changed = `${signature.slice(0, position)}${other}${signature.slice(position + 1)}`;
    expect(await ask(`${head}.${body}.${changed}`, secret, [alg], {})).toBe("invalid signature");
  }
  for (const changed of [
    `${signature}A`,
    `${signature}AA`,
    `${signature}AAAA`,
    signature.slice(0, -1),
    "A",
    signature.slice(0, -4),
  ]) {
    expect(await ask(`${head}.${body}.${changed}`, secret, [alg], {})).toBe("invalid signature");
  }
  expect(await ask(token, Buffer.from(`${SECRET}x`), [alg], {})).toBe("invalid signature");
  expect(await ask(token, secret, ["RS256"], {})).toBe("signing algorithm not allowed");
});
