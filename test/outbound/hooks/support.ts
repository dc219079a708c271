import type {
  HookSubject as Client,
  ConnectHookRequest,
  HookCaller,
  JoinHookRequest,
} from "../../../src/access/hooks/hook-caller.js";
import { HookCounts } from "../../../src/access/hooks/hook-counts.js";
import { type HookSettings, Hooks } from "../../../src/access/hooks/hooks.js";
import { HookClient } from "../../../src/outbound/hooks/hook-client.js";
import { cleanUp } from "../../support/clean-up.js";
import { ManualClock } from "../../support/manual-clock.js";

export interface TestHooks {
  readonly hooks: Hooks;
  readonly clock: ManualClock;
  readonly counts: HookCounts;
  /** Log records. */
  readonly records: string[];
  /** Failed calls. */
  readonly failures: readonly string[];
}

export const SETTINGS: HookSettings = {
  events: ["connect", "join", "publish", "disconnect"],
  forward: [],
  timeout: 2_000,
  on_failure: "refuse",
  concurrency: 4,
  breaker: { failures: 3, pause: 10_000 },
};

export function hooksOf(caller: HookCaller, settings: Partial<HookSettings> = {}): TestHooks {
  const clock = new ManualClock();
  const counts = new HookCounts();
  const records: string[] = [];
  const failures: string[] = [];
  const hooks = new Hooks({
    settings: { ...SETTINGS, ...settings },
    caller,
    clock,
    counts,
    onFailed: (event, failure) => failures.push(`${event}: ${failure.message}`),
    onOpened: (failure) => records.push(`opened: ${failure.message}`),
    onClosed: () => records.push("closed"),
  });
  cleanUp(() => hooks.stop());
  return { hooks, clock, counts, records, failures };
}

export function hooksAt(url: string, settings: Partial<HookSettings> = {}, key?: string): TestHooks {
  return hooksOf(new HookClient({ url, key }), settings);
}

export const CLIENT: Client = {
  vhost: "/",
  connectionId: "node-1",
  user: "ann",
  info: '{"name":"Ann","tags":["a",1.0,null],"id":1724442618569203714}',
  dialect: "native",
  address: "192.0.2.1",
};

export const JOIN: JoinHookRequest = { client: CLIENT, broker: "", topics: ["a", "b"] };

export const CONNECT: ConnectHookRequest = {
  client: { ...CLIENT, user: undefined, info: "{}" },
  method: "GET",
  uri: "/ws?meta=1&x=y",
  headers: {
    host: "a",
    cookie: 'sid=1; theme="dark"; sid=2; odd; name=%C3%A9%20+; bad=%zz',
    "set-cookie": ["a=1", "b=2"],
  },
  query: new URLSearchParams("meta=1&x=y"),
};
