import { setImmediate as nextTurn } from "node:timers/promises";
import { Leases } from "../../src/access/tokens/leases.js";
import { TokenIssuer } from "../../src/access/tokens/token-issuer.js";
import { TokenSecret } from "../../src/access/tokens/token-secret.js";
import { TokenVerifier } from "../../src/access/tokens/token-verifier.js";
import type { CarillonError } from "../../src/errors.js";
import type { Store } from "../../src/store/store.js";
import { cleanUp } from "../support/clean-up.js";
import type { ManualClock } from "../support/manual-clock.js";
import type { NatsServer } from "../support/nats/server.js";
import { startJetStream, startNatsStore } from "../support/nats/store.js";
import { clockAt } from "./jwts.js";

interface Node {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly issuer: TokenIssuer;
  readonly verifier: TokenVerifier;
}

/** Creates a node with its own clock. @param ahead - of its wall clock, in milliseconds */
async function startNode(server: NatsServer, ahead: number): Promise<Node> {
  const clock = clockAt();
  clock.set(ahead);
  const { store } = await startNatsStore(server.url, { clock });
  const leases = new Leases({ store, clock });
  cleanUp(() => leases.stop());
  await leases.start();
  const secret = TokenSecret.stored(store, "/");
  const shared = { vhost: "/", secret, store, clock };
  return { clock, store, issuer: new TokenIssuer(shared), verifier: new TokenVerifier({ ...shared, leases }) };
}

function outcome(result: Promise<unknown>): Promise<string> {
  return result.then(
    () => "in",
    ({ message }: CarillonError) => message,
  );
}

/** Holders in the store. Holders without leases write nothing. */
async function signsOfLife({ store }: Node): Promise<string> {
  return JSON.stringify(await store.list("holders/"));
}

/** Advances the clock of a node that holds a lease by 5 s, and waits for its next heartbeat in the store. */
async function live(node: Node): Promise<void> {
  const before = await signsOfLife(node);
  node.clock.advance(5_000);
  for (let trips = 0; (await signsOfLife(node)) === before; trips += 1) {
    if (trips === 2_000) throw new Error("the node shows no sign of life");
  }
  // The answer to the write comes before those to later requests.
  for (let trips = 0; trips < 2; trips += 1) await node.store.get("holders/none");
  await nextTurn();
}

describe.each([-280_000, -60_000, -15_000, 15_000, 60_000, 280_000])("A8: clocks that differ by %d ms", (ahead) => {
  test("leave a connection token to one connection, as long as any node accepts it", async () => {
    const server = await startJetStream();
    const [one, two] = [await startNode(server, ahead), await startNode(server, 0)];
    // Expiry by the clock that is behind, for which the token is valid longest.
    const issuer = ahead < 0 ? one.issuer : two.issuer;
    const { token } = await issuer.createConnectionToken({});
    // Valid for the holder when it acquires the token, in either direction of the difference.
    const taken = await outcome(one.verifier.takeConnection(token));
    expect(taken).toBe("in");
    for (let round = 0; round < 6; round += 1) {
      await live(one);
      two.clock.advance(5_000);
      expect(await outcome(two.verifier.takeConnection(token))).not.toBe("in");
    }
  });

  test("let one of several clients use an access token", async () => {
    const server = await startJetStream();
    const nodes = [await startNode(server, ahead), await startNode(server, 0)];
    const { token } = (await nodes[0]?.issuer.createAccessToken({})) ?? { token: "" };
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        outcome(nodes[n % 2]?.verifier.useAccessToken(token) ?? Promise.reject(new Error())),
      ),
    );
    expect(outcomes.filter((text) => text === "in")).toHaveLength(1);
  });
});

test("A8: frees a token when its node has shown no heartbeat for 15 s, whatever the clocks show", async () => {
  const server = await startJetStream();
  const [one, two] = [await startNode(server, 100_000), await startNode(server, 0)];
  const { token } = await one.issuer.createConnectionToken({});
  await one.verifier.takeConnection(token);
  expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
  two.clock.set(100_000);
  expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
  two.clock.advance(14_999);
  expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
  two.clock.set(-100_000);
  two.clock.advance(1);
  expect(await outcome(two.verifier.takeConnection(token))).toBe("in");
});

test("A8: keeps a token that has expired by the holder's clock but not by others'", async () => {
  const server = await startJetStream();
  const [one, two] = [await startNode(server, 60_000), await startNode(server, 0)];
  const { token } = await two.issuer.createConnectionToken({}, {}, 120_000);
  await one.verifier.takeConnection(token);
  // 60 s later it has expired for the holder.
  for (let round = 0; round < 20; round += 1) {
    await live(one);
    two.clock.advance(5_000);
  }
  expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
});

test("A8: keeps a token when a clock is set meanwhile", async () => {
  const server = await startJetStream();
  const [one, two] = [await startNode(server, 0), await startNode(server, 0)];
  const { token } = await one.issuer.createConnectionToken({});
  await one.verifier.takeConnection(token);
  for (const step of [60_000, -120_000, 100_000]) {
    one.clock.set(step);
    await live(one);
    two.clock.advance(5_000);
    expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
  }
});

test("A8: a node whose clock is an hour ahead removes no entry that others still need", async () => {
  const server = await startJetStream();
  const [right, ahead] = [await startNode(server, 0), await startNode(server, 3_600_000)];
  const { token } = await right.issuer.createAccessToken({}, 60_000);
  const { token: old } = await ahead.issuer.createAccessToken({}, 1_000);
  // Its first sweep reads the whole bucket. The removal of its own entry shows that the sweep has ended.
  const left = async (): Promise<number> => (await right.store.list("access-tokens/")).length;
  expect(await left()).toBe(2);
  while ((await left()) > 1) {
    ahead.clock.advance(30_000);
    if (ahead.clock.monotonic() - right.clock.monotonic() > 3_600_000) throw new Error("nothing was removed");
  }
  expect(await outcome(right.verifier.useAccessToken(token))).toBe("in");
  expect(await outcome(right.verifier.useAccessToken(old))).not.toBe("in");
});
