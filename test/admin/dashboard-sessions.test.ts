import { Keyring } from "../../src/access/keys/keyring.js";
import { DashboardSessions } from "../../src/admin/dashboard-sessions.js";
import { SignInLimit } from "../../src/admin/sign-in-limit.js";
import { ClusterNode } from "../../src/cluster/cluster-node.js";
import { LocalBus } from "../../src/cluster/local-bus.js";
import { withResolvers } from "../../src/util/with-resolvers.js";
import { ManualClock } from "../support/manual-clock.js";

const ignoreErrors = (): void => {};

/** Sessions of a node whose cluster has no others. */
function createSessions(clock: ManualClock): DashboardSessions {
  const keyring = new Keyring({ clock, open: false, hasVhost: () => true });
  const cluster = new ClusterNode({ node: "one", bus: new LocalBus(ignoreErrors), clock, onError: ignoreErrors });
  return new DashboardSessions({ clock, lifetime: 60_000, keyring, cluster, hasVhost: () => true });
}

test("ends a session after its lifetime", async () => {
  const clock = new ManualClock();
  const sessions = createSessions(clock);
  const cookie = sessions.begin({ by: "password" });
  const { authorization = "" } = (await sessions.find(cookie)) ?? {};
  const credentials = { authorization, certificate: undefined, vhost: undefined };
  clock.advance(59_999);
  expect(sessions.identify(credentials)).toMatchObject({ name: "dashboard", vhost: "/" });
  clock.advance(1);
  expect(await sessions.find(cookie)).toBeUndefined();
  expect(() => sessions.identify(credentials)).toThrow("the session has ended: sign in again");
});

test("keeps a bounded number of sessions, the most recently used ones", async () => {
  const sessions = createSessions(new ManualClock());
  const first = sessions.begin({ by: "password" });
  const second = sessions.begin({ by: "password" });
  for (let count = 2; count < 1_024; count += 1) sessions.begin({ by: "password" });
  await sessions.find(first);
  sessions.begin({ by: "password" });
  expect(await sessions.find(first)).toBeDefined();
  expect(await sessions.find(second)).toBeUndefined();
});

const fail = (): Promise<undefined> => Promise.resolve(undefined);
const succeed = (): Promise<true> => Promise.resolve(true);

test("lets an address try again every 30 seconds after five failures, and forgets them when one succeeds", async () => {
  const clock = new ManualClock();
  const limit = new SignInLimit(clock);
  for (let attempt = 0; attempt < 5; attempt += 1) expect(await limit.attempt("a", fail)).toBeUndefined();
  await expect(limit.attempt("a", succeed)).rejects.toMatchObject({ code: "resource_exhausted", retryDelay: 30_000 });
  expect(await limit.attempt("b", succeed)).toBe(true);
  clock.advance(30_000);
  expect(await limit.attempt("a", fail)).toBeUndefined();
  await expect(limit.attempt("a", succeed)).rejects.toMatchObject({ code: "resource_exhausted" });
  clock.advance(30_000);
  expect(await limit.attempt("a", succeed)).toBe(true);
  for (let attempt = 0; attempt < 5; attempt += 1) await limit.attempt("a", fail);
  await expect(limit.attempt("a", succeed)).rejects.toMatchObject({ code: "resource_exhausted" });
});

test("checks at most two attempts at a time", async () => {
  const limit = new SignInLimit(new ManualClock());
  const { promise: running, resolve: finish } = withResolvers<true>();
  const attempts = ["a", "b"].map((address) => limit.attempt(address, () => running));
  await expect(limit.attempt("c", succeed)).rejects.toMatchObject({ code: "resource_exhausted", retryDelay: 1_000 });
  finish(true);
  expect(await Promise.all(attempts)).toEqual([true, true]);
  expect(await limit.attempt("c", succeed)).toBe(true);
});
