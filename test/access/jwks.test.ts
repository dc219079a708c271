import type { JwtOptions } from "../../src/access/jwt/jwt-verifier.js";
import { cleanUp } from "../support/clean-up.js";
import type { ManualClock } from "../support/manual-clock.js";
import { JwksServer } from "./jwks-server.js";
import { clockAt, GOOD_CLAIMS, jwk, PromisingVerifier, pair, raw, SECOND, signed } from "./jwts.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const one = jwk("rsa", { kid: "one", alg: "RS256", use: "sig" });
const two = jwk("rsa2", { kid: "two", alg: "RS256", use: "sig" });

/** Valid for two days, so that only keys decide. */
function token(name: string, kid?: string): Promise<string> {
  return signed(pair(name).privateKey, "RS256", { exp: SECOND + 200_000 }, kid === undefined ? {} : { kid });
}

function verifier(
  server: JwksServer,
  clock: ManualClock = clockAt(),
  options: JwtOptions = {},
  onFailure?: (message: string) => void,
): PromisingVerifier {
  const made = new PromisingVerifier({ jwksUrl: server.url, ...options }, clock, onFailure);
  cleanUp(() => made.stop());
  return made;
}

/** "in", or the code and the text for the client. */
function outcome(verified: Promise<unknown>): Promise<string> {
  return verified.then(
    () => "in",
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );
}

/** Waits for the fetch in the background. */
async function settled(tokens: PromisingVerifier, server: JwksServer, requests: number): Promise<void> {
  for (let turn = 0; server.requests < requests && turn < 100_000; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(server.requests).toBe(requests);
  // Shares the request in flight.
  await outcome(tokens.verify(await token("rsa", "nobody's")));
}

test("finds keys by their exact id", async () => {
  const tokens = verifier(await JwksServer.start([one, two]));
  expect(await outcome(tokens.verify(await token("rsa", "one")))).toBe("in");
  expect(await outcome(tokens.verify(await token("rsa2", "two")))).toBe("in");
  expect(await outcome(tokens.verify(await token("rsa", "two")))).toMatch(/unauthenticated.*signature/);
  for (const kid of ["One", "one ", "on", "../one", "__proto__", "constructor", "0", "' OR 1=1", ""]) {
    expect(await outcome(tokens.verify(await token("rsa", kid)))).toMatch(/unauthenticated.*unknown signing key/);
  }
});

test("uses the only key for a token without a key id", async () => {
  const server = await JwksServer.start([one]);
  expect(await outcome(verifier(server).verify(await token("rsa")))).toBe("in");
  server.keys = [one, two];
  expect(await outcome(verifier(server).verify(await token("rsa")))).toMatch(/unauthenticated.*ambiguous signing key/);
});

test("fetches keys once for many tokens, concurrent ones too", async () => {
  const server = await JwksServer.start([one]);
  const tokens = verifier(server);
  const many = await Promise.all(
    Array.from({ length: 20 }, (_, n) => signed(pair("rsa").privateKey, "RS256", { jti: `${n}` }, { kid: "one" })),
  );
  expect(new Set(await Promise.all(many.map((text) => outcome(tokens.verify(text)))))).toEqual(new Set(["in"]));
  expect(server.requests).toBe(1);
});

test("uses keys of the set for the allowed algorithms only", async () => {
  const secret = { kty: "oct", k: Buffer.alloc(64, 1).toString("base64url"), kid: "hmac" };
  const tokens = verifier(await JwksServer.start([secret, { ...one, use: "enc", kid: "enc" }, two]));
  const hmac = raw('{"alg":"HS256","kid":"hmac"}', GOOD_CLAIMS, Buffer.alloc(64, 1).toString("latin1"));
  expect(await outcome(tokens.verify(hmac))).toMatch(/unauthenticated.*allowed/);
  expect(await outcome(tokens.verify(await token("rsa", "enc")))).toMatch(/unauthenticated/);
  const limited = verifier(await JwksServer.start([two]), clockAt(), { algorithms: ["ES256"] });
  expect(await outcome(limited.verify(await token("rsa2", "two")))).toMatch(/unauthenticated.*allowed/);
});

test("ignores private keys in the set", async () => {
  const { d } = pair("rsa").privateKey.export({ format: "jwk" });
  const leaked = { ...pair("rsa").privateKey.export({ format: "jwk" }), kid: "one" };
  expect(d).toBeDefined();
  const tokens = verifier(await JwksServer.start([leaked]));
  expect(await outcome(tokens.verify(await token("rsa", "one")))).toMatch(/unauthenticated/);
});

test("fetches the keys again for an unknown key id, at most every 30 s", async () => {
  const clock = clockAt();
  const server = await JwksServer.start([one]);
  const tokens = verifier(server, clock);
  expect(await outcome(tokens.verify(await token("rsa", "one")))).toBe("in");
  server.keys = [one, two];
  const fresh = await token("rsa2", "two");
  expect(await outcome(tokens.verify(fresh))).toMatch(/unauthenticated/);
  clock.advance(29_999);
  expect(await outcome(tokens.verify(fresh))).toMatch(/unauthenticated/);
  expect(server.requests).toBe(1);
  clock.advance(1);
  expect(await outcome(tokens.verify(fresh))).toBe("in");
  for (let count = 0; count < 20; count += 1) {
    expect(await outcome(tokens.verify(await token("rsa2", `random${count}`)))).toMatch(/unauthenticated/);
  }
  expect(server.requests).toBe(2);
});

test("refuses tokens of a removed key after the next refresh, cached or not", async () => {
  const clock = clockAt();
  const server = await JwksServer.start([one, two]);
  const tokens = verifier(server, clock);
  const old = await token("rsa", "one");
  expect(await outcome(tokens.verify(old))).toBe("in");
  server.keys = [two];
  clock.advance(5 * MINUTE);
  await settled(tokens, server, 2);
  expect(await outcome(tokens.verify(old))).toMatch(/unauthenticated.*unknown signing key/);
  expect(await outcome(tokens.verify(await token("rsa2", "two")))).toBe("in");
});

test("answers unavailable during an outage at start, without a request for each token", async () => {
  const clock = clockAt();
  const server = await JwksServer.start([one]);
  server.status = 503;
  const tokens = verifier(server, clock);
  tokens.start();
  const good = await token("rsa", "one");
  expect(await outcome(tokens.verify(good))).toMatch(/^unavailable: cannot fetch the issuer/);
  for (let count = 0; count < 10; count += 1) expect(await outcome(tokens.verify(good))).toMatch(/^unavailable/);
  expect(server.requests).toBe(1);
  expect(tokens.failure).toBe("the response has status 503");
  server.status = 200;
  // It retries by itself.
  clock.advance(10_000);
  await settled(tokens, server, 2);
  expect(await outcome(tokens.verify(good))).toBe("in");
  expect(tokens.failure).toBeUndefined();
});

test("uses known keys for one day of an outage", async () => {
  const clock = clockAt();
  const server = await JwksServer.start([one]);
  const tokens = verifier(server, clock);
  const good = await token("rsa", "one");
  expect(await outcome(tokens.verify(good))).toBe("in");
  await server.stop();
  clock.advance(5 * MINUTE);
  // An unknown key may be the issuer's newest.
  expect(await outcome(tokens.verify(await token("rsa2", "two")))).toMatch(/^unavailable/);
  clock.advance(23 * HOUR + 54 * MINUTE);
  expect(await outcome(tokens.verify(good))).toBe("in");
  clock.advance(2 * MINUTE);
  expect(
    await outcome(
      tokens.verify(await signed(pair("rsa").privateKey, "RS256", { exp: SECOND + 200_000, jti: "1" }, { kid: "one" })),
    ),
  ).toMatch(/^unavailable/);
  expect(await outcome(tokens.verify(good))).toMatch(/^unavailable/);
});

test.each([
  ["what is not JSON", { body: "<html>" }],
  ["JSON that is not a key set", { body: '{"keys":1}' }],
  ["an error", { status: 500 }],
  ["a redirect", { status: 302, headers: { location: "/other" } }],
  ["more than 128 KiB", { body: `{"keys":[],"x":"${"x".repeat(128 * 1024)}"}` }],
] as const)("keeps its keys when an answer is %s", async (_, answer) => {
  const clock = clockAt();
  const server = await JwksServer.start([one]);
  const tokens = verifier(server, clock);
  expect(await outcome(tokens.verify(await token("rsa", "one")))).toBe("in");
  Object.assign(server, answer);
  clock.advance(5 * MINUTE);
  await settled(tokens, server, 2);
  expect(tokens.failure).toBeDefined();
  const other = await signed(pair("rsa").privateKey, "RS256", { jti: "other", exp: SECOND + 1_000 }, { kid: "one" });
  expect(await outcome(tokens.verify(other))).toBe("in");
});

test("reports each outage once, with its cause", async () => {
  const clock = clockAt();
  const server = await JwksServer.start([one]);
  const told: string[] = [];
  const tokens = verifier(server, clock, {}, (message) => told.push(message));
  tokens.start();
  await settled(tokens, server, 1);
  for (const status of [503, 504, 200, 500]) {
    server.status = status;
    const { requests } = server;
    clock.advance(5 * MINUTE);
    await settled(tokens, server, requests + 1);
  }
  expect(told).toEqual([503, 500].map((status) => `${server.url}: the response has status ${status}`));
});

test("follows no redirect", async () => {
  const server = await JwksServer.start();
  const other = await JwksServer.start([one]);
  server.status = 302;
  server.headers = { location: other.url };
  expect(await outcome(verifier(server).verify(await token("rsa", "one")))).toMatch(/^unavailable/);
  expect(other.requests).toBe(0);
});

test("gives up on an issuer that does not answer", async () => {
  const server = await JwksServer.start([one]);
  server.silent = true;
  const tokens = verifier(server, clockAt(), { jwksTimes: { timeout: 50 } });
  expect(await outcome(tokens.verify(await token("rsa", "one")))).toMatch(/^unavailable/);
});

test("fetches nothing after a stop", async () => {
  const clock = clockAt();
  const server = await JwksServer.start([one]);
  const tokens = verifier(server, clock);
  await outcome(tokens.verify(await token("rsa", "one")));
  tokens.stop();
  expect(clock.timers).toBe(0);
});
