import { setImmediate as nextTurn } from "node:timers/promises";
import { MAX_WAITING } from "../../../src/access/hooks/concurrency-limit.js";
import type { HookCaller, Verdict } from "../../../src/access/hooks/hook-caller.js";
import { Queue } from "../../support/queue.js";
import { CLIENT, CONNECT, hooksOf, JOIN } from "./support.js";

interface Pending {
  readonly what: string;
  answer(): void;
  fail(): void;
}

const ALLOW: Verdict<never> = { allow: { user: undefined, info: undefined, topics: [], expires: undefined } };

/** Hook caller whose answers the test controls. */
class SlowCaller implements HookCaller {
  readonly pending = new Queue<Pending>();
  underWay = 0;
  most = 0;
  closed = false;

  connect = (_question: unknown, signal: AbortSignal): Promise<Verdict<never>> => this.#wait("connect", signal);
  join = (_question: unknown, signal: AbortSignal): Promise<Verdict<never>> => this.#wait("join", signal);
  publish = (_question: unknown, signal: AbortSignal): Promise<Verdict<never>> => this.#wait("publish", signal);

  async disconnect(_event: unknown, signal: AbortSignal): Promise<void> {
    await this.#wait("disconnect", signal);
  }

  close(): void {
    this.closed = true;
  }

  async #wait(what: string, signal: AbortSignal): Promise<Verdict<never>> {
    this.underWay += 1;
    this.most = Math.max(this.most, this.underWay);
    try {
      return await new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("aborted")));
        this.pending.push({ what, answer: () => resolve(ALLOW), fail: () => reject(new Error("down")) });
      });
    } finally {
      this.underWay -= 1;
    }
  }
}

const codeOf = (outcomes: Promise<unknown>): Promise<string> =>
  outcomes.then(
    () => "ok",
    ({ code }: { code: string }) => code,
  );

test("opens the breaker after consecutive failures, lets one call through after the pause, and closes when it succeeds", async () => {
  const caller = new SlowCaller();
  const { clock, counts, hooks, records } = hooksOf(caller);
  const ask = async (end: "answer" | "fail"): Promise<string> => {
    const code = codeOf(hooks.onJoin(JOIN));
    (await caller.pending.next())[end]();
    return code;
  };
  for (const end of ["fail", "fail", "answer", "fail", "fail"] as const) await ask(end);
  expect([hooks.breakerState, records]).toEqual(["closed", []]);
  expect(await ask("fail")).toBe("unavailable");
  expect([hooks.breakerState, records]).toEqual(["open", ["opened: down"]]);

  // The breaker is open: no call is made or queued.
  expect(await codeOf(hooks.onJoin(JOIN))).toBe("unavailable");
  clock.advance(9_999);
  expect(await codeOf(hooks.onJoin(JOIN))).toBe("unavailable");
  expect(counts.calls("join", "breaker_open")).toBe(2);
  expect(caller.pending.unread).toEqual([]);

  // A failed probe keeps the breaker open for another pause, without other calls.
  clock.advance(1);
  const probe = codeOf(hooks.onJoin(JOIN));
  expect(hooks.breakerState).toBe("half_open");
  expect(await codeOf(hooks.onJoin(JOIN))).toBe("unavailable");
  (await caller.pending.next()).fail();
  expect(await probe).toBe("unavailable");
  expect(hooks.breakerState).toBe("open");
  clock.advance(9_999);
  expect(await codeOf(hooks.onJoin(JOIN))).toBe("unavailable");

  clock.advance(1);
  expect(await ask("answer")).toBe("ok");
  expect([hooks.breakerState, records]).toEqual(["closed", ["opened: down", "closed"]]);
  expect(await ask("answer")).toBe("ok");
});

test("keeps the breaker open when a probe is late, and ignores its later answer", async () => {
  const caller = new SlowCaller();
  const { clock, hooks } = hooksOf(caller, { breaker: { failures: 1, pause: 10_000 } });
  const first = codeOf(hooks.onJoin(JOIN));
  (await caller.pending.next()).fail();
  await first;
  clock.advance(10_000);
  const probe = codeOf(hooks.onJoin(JOIN));
  const pending = await caller.pending.next();
  clock.advance(2_000);
  expect(await probe).toBe("unavailable");
  pending.answer();
  await nextTurn();
  expect(hooks.breakerState).toBe("open");
});

test("allows everything at once while the breaker is open with on_failure: allow", async () => {
  const caller = new SlowCaller();
  const { hooks } = hooksOf(caller, { on_failure: "allow", breaker: { failures: 1, pause: 10_000 } });
  const first = codeOf(hooks.onJoin(JOIN));
  (await caller.pending.next()).fail();
  expect(await first).toBe("ok");
  expect(await codeOf(hooks.onJoin(JOIN))).toBe("ok");
  expect(caller.pending.unread).toEqual([]);
});

test.each([
  ["refuse", "resource_exhausted"],
  ["allow", "ok"],
] as const)("A9: bounds running and queued calls, and applies on_failure beyond: %s", async (on_failure, beyond) => {
  const caller = new SlowCaller();
  const { counts, hooks } = hooksOf(caller, { on_failure });
  const outcomes = Array.from({ length: 4 + MAX_WAITING.request }, () => codeOf(hooks.onJoin(JOIN)));
  await nextTurn();
  expect(caller.underWay).toBe(4);
  expect(await codeOf(hooks.onJoin(JOIN))).toBe(beyond);
  expect(await codeOf(hooks.onConnect(CONNECT))).toBe(beyond);
  expect([counts.calls("join", "overload"), counts.calls("connect", "overload")]).toEqual([1, 1]);
  for (const _ of outcomes) (await caller.pending.next()).answer();
  expect(new Set(await Promise.all(outcomes))).toEqual(new Set(["ok"]));
  expect([caller.most, caller.underWay]).toEqual([4, 0]);
  // An overflow does not count as a failure of the backend.
  expect(hooks.breakerState).toBe("closed");
});

test("times out a call that is queued too long, and never makes it", async () => {
  const caller = new SlowCaller();
  const { clock, counts, hooks } = hooksOf(caller, { concurrency: 1, breaker: { failures: 2, pause: 1_000 } });
  const first = codeOf(hooks.onJoin(JOIN));
  const second = codeOf(hooks.onJoin(JOIN));
  clock.advance(2_000);
  expect(await Promise.all([first, second])).toEqual(["unavailable", "unavailable"]);
  expect(counts.calls("join", "late")).toBe(2);
  expect(caller.pending.unread).toHaveLength(1);
  expect(hooks.breakerState).toBe("closed");
  const third = codeOf(hooks.onJoin(JOIN));
  await caller.pending.next();
  (await caller.pending.next()).answer();
  expect(await third).toBe("ok");
});

test("makes decisions before disconnect notices, whose timeout starts with the call", async () => {
  const caller = new SlowCaller();
  const { clock, counts, hooks } = hooksOf(caller, { concurrency: 1 });
  const first = codeOf(hooks.onJoin(JOIN));
  hooks.onDisconnect({ client: CLIENT, code: 1_000, reason: "" });
  const second = codeOf(hooks.onPublish({ ...JOIN, payload: Buffer.alloc(0), event: "" }));
  clock.advance(1_500);
  (await caller.pending.next()).answer();
  await first;
  const publish = await caller.pending.next();
  expect(publish.what).toBe("publish");
  publish.answer();
  await second;
  const notification = await caller.pending.next();
  clock.advance(1_999);
  expect(notification.what).toBe("disconnect");
  notification.answer();
  await nextTurn();
  expect(counts.calls("disconnect", "allowed")).toBe(1);
});

test("allows without a call when the backend has not enabled the hook", async () => {
  const caller = new SlowCaller();
  const { hooks } = hooksOf(caller, { events: ["connect"] });
  expect([hooks.isEnabled("connect"), hooks.isEnabled("join")]).toEqual([true, false]);
  expect(await codeOf(hooks.onJoin(JOIN))).toBe("ok");
  hooks.onDisconnect({ client: CLIENT, code: 1_000, reason: "" });
  await nextTurn();
  expect(caller.pending.unread).toEqual([]);
});

test("fails running and queued calls on stop, and leaves no timer", async () => {
  const caller = new SlowCaller();
  const { clock, hooks } = hooksOf(caller, { concurrency: 1 });
  const outcomes = [codeOf(hooks.onJoin(JOIN)), codeOf(hooks.onJoin(JOIN))];
  hooks.stop();
  expect(await Promise.all(outcomes)).toEqual(["unavailable", "unavailable"]);
  expect(await codeOf(hooks.onJoin(JOIN))).toBe("unavailable");
  expect([caller.closed, clock.timers, hooks.breakerState]).toEqual([true, 0, "closed"]);
});

test("resolves drained after the running and queued disconnect notices, and nothing else", async () => {
  const caller = new SlowCaller();
  const { hooks } = hooksOf(caller, { concurrency: 2 });
  await hooks.drained();
  const outcomes = codeOf(hooks.onJoin(JOIN));
  await caller.pending.next();
  for (const reason of ["a", "b"]) hooks.onDisconnect({ client: CLIENT, code: 1_000, reason });
  let drained = false;
  const done = hooks.drained().then(() => {
    drained = true;
  });
  (await caller.pending.next()).answer();
  const last = await caller.pending.next();
  await nextTurn();
  expect(drained).toBe(false);
  last.fail();
  await done;
  hooks.stop();
  expect(await outcomes).toBe("unavailable");
});

test("completes pending calls with the current on_failure when hooks are retired, and then stops", async () => {
  const caller = new SlowCaller();
  const settings = { on_failure: "allow", concurrency: 1, breaker: { failures: 9, pause: 1_000 } } as const;
  const { clock, hooks } = hooksOf(caller, settings);
  const answers = ["answer", "fail", "fail", "fail"] as const;
  const outcomes = answers.map(() => codeOf(hooks.onJoin(JOIN)));
  hooks.onDisconnect({ client: CLIENT, code: 1_000, reason: "" });
  let onFailure: "refuse" | "allow" | undefined = "allow";
  const retired = hooks.retire(() => onFailure);
  const codes: string[] = [];
  for (const [position, end] of answers.entries()) {
    onFailure = (["refuse", "refuse", "allow", undefined] as const)[position];
    (await caller.pending.next())[end]();
    codes.push((await outcomes[position]) ?? "");
  }
  expect(codes).toEqual(["ok", "unavailable", "ok", "ok"]);
  const notification = await caller.pending.next();
  expect([notification.what, caller.closed]).toEqual(["disconnect", false]);
  notification.answer();
  await retired;
  expect([caller.closed, clock.timers]).toEqual([true, 0]);
});

test("fails the pending calls of retired hooks on stop", async () => {
  const caller = new SlowCaller();
  const { clock, hooks } = hooksOf(caller);
  const outcomes = codeOf(hooks.onJoin(JOIN));
  const retired = hooks.retire(() => undefined);
  hooks.stop();
  expect(await outcomes).toBe("unavailable");
  await retired;
  expect([caller.closed, clock.timers]).toEqual([true, 0]);
});
