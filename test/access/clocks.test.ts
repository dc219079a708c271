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

/** A node with a clock of its own, whose wall clock is so much ahead, in milliseconds. */
async function startNode(server: NatsServer, ahead: number): Promise<Node> {
  const clock = clockAt();
  clock.set(ahead);
  const { store } = await startNatsStore(server.url, { clock });
  const leases = new Leases({ store, clock });
  cleanUp(() => leases.stop());
  await leases.start();
  const secret = TokenSecret.kept(store, "/");
  const shared = { vhost: "/", secret, store, clock };
  return { clock, store, issuer: new TokenIssuer(shared), verifier: new TokenVerifier({ ...shared, leases }) };
}

function outcome(result: Promise<unknown>): Promise<string> {
  return result.then(
    () => "in",
    ({ message }: CarillonError) => message,
  );
}

/** Holders as the store has them. Those that hold nothing change nothing by themselves. */
async function signsOfLife({ store }: Node): Promise<string> {
  return JSON.stringify(await store.list("holders/"));
}

/** Lets 5 s pass for a node that holds something, and waits until the store has its next sign of life. */
async function live(node: Node): Promise<void> {
  const before = await signsOfLife(node);
  node.clock.advance(5_000);
  for (let trips = 0; (await signsOfLife(node)) === before; trips += 1) {
    if (trips === 2_000) throw new Error("the node shows no sign of life");
  }
  // The answer to the write comes before those to what is asked after it.
  for (let trips = 0; trips < 2; trips += 1) await node.store.get("holders/none");
  await nextTurn();
}

describe.each([-280_000, -60_000, -15_000, 15_000, 60_000, 280_000])("A8: clocks that differ by %d ms", (ahead) => {
  test("leave a connection token with the one connection that has it, for as long as it is accepted anywhere", async () => {
    const server = await startJetStream();
    const [one, two] = [await startNode(server, ahead), await startNode(server, 0)];
    // By the clock that is behind: its token is never valid for longer than for the other.
    const issuer = ahead < 0 ? one.issuer : two.issuer;
    const { token } = await issuer.connection({});
    // Valid for the holder while it takes it, whichever way its clock is off.
    const taken = await outcome(one.verifier.takeConnection(token));
    expect(taken).toBe("in");
    for (let round = 0; round < 6; round += 1) {
      await live(one);
      two.clock.advance(5_000);
      expect(await outcome(two.verifier.takeConnection(token))).not.toBe("in");
    }
  });

  test("let one in of those who come with an access token", async () => {
    const server = await startJetStream();
    const nodes = [await startNode(server, ahead), await startNode(server, 0)];
    const { token } = (await nodes[0]?.issuer.access({})) ?? { token: "" };
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        outcome(nodes[n % 2]?.verifier.useAccessToken(token) ?? Promise.reject(new Error())),
      ),
    );
    expect(outcomes.filter((text) => text === "in")).toHaveLength(1);
  });
});

test("A8: a token of a node that shows no life is free when another has seen none for 15 s, whatever the clocks show", async () => {
  const server = await startJetStream();
  const [one, two] = [await startNode(server, 100_000), await startNode(server, 0)];
  const { token } = await one.issuer.connection({});
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

test("A8: a holder keeps a token that has expired by its own clock and not by that of others", async () => {
  const server = await startJetStream();
  const [one, two] = [await startNode(server, 60_000), await startNode(server, 0)];
  const { token } = await two.issuer.connection({}, {}, 120_000);
  await one.verifier.takeConnection(token);
  // 60 s later it has expired for the holder.
  for (let round = 0; round < 20; round += 1) {
    await live(one);
    two.clock.advance(5_000);
  }
  expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
});

test("A8: a clock that is set while a token is held changes nothing", async () => {
  const server = await startJetStream();
  const [one, two] = [await startNode(server, 0), await startNode(server, 0)];
  const { token } = await one.issuer.connection({});
  await one.verifier.takeConnection(token);
  for (const step of [60_000, -120_000, 100_000]) {
    one.clock.set(step);
    await live(one);
    two.clock.advance(5_000);
    expect(await outcome(two.verifier.takeConnection(token))).toMatch(/another connection/);
  }
});

test("A8: a node whose clock is an hour ahead removes nothing that others still need", async () => {
  const server = await startJetStream();
  const [right, ahead] = [await startNode(server, 0), await startNode(server, 3_600_000)];
  const { token } = await right.issuer.access({}, 60_000);
  const { token: old } = await ahead.issuer.access({}, 1_000);
  // Its first look reads the whole bucket; its own entry is removed in time, which shows that the looks have ended.
  const left = async (): Promise<number> => (await right.store.list("access-tokens/")).length;
  expect(await left()).toBe(2);
  while ((await left()) > 1) {
    ahead.clock.advance(30_000);
    if (ahead.clock.monotonic() - right.clock.monotonic() > 3_600_000) throw new Error("nothing was removed");
  }
  expect(await outcome(right.verifier.useAccessToken(token))).toBe("in");
  expect(await outcome(right.verifier.useAccessToken(old))).not.toBe("in");
});
