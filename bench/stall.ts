import { type Attack, SLOW, type StallNode, type Tokens } from "./stall/attack.js";
import { COMMANDS } from "./stall/commands.js";
import { FRAMES } from "./stall/frames.js";
import { LISTS } from "./stall/lists.js";
import { POLLS } from "./stall/polls.js";
import { REQUESTS } from "./stall/requests.js";
import { UPGRADES } from "./stall/upgrades.js";
import { startNode } from "./support/carillon.js";
import { edwardsIssuer, hmacIssuer, type Issuer, rsaIssuer, tokensOf } from "./support/issuer.js";
import type { LoopDelay } from "./support/loop-watch.js";
import type { Benchmark, Options } from "./support/report.js";
import { median, spread } from "./support/table.js";

/** Rule O12, in milliseconds of CPU time. */
const MOST = 50;

const ATTACKS: readonly Attack[] = [...COMMANDS, ...UPGRADES, ...FRAMES, ...POLLS, ...REQUESTS, ...LISTS];

/** The longest time for which inputs hold the event loop, with and without credentials. */
export const stall: Benchmark = async (options) => {
  const results = new Map<Attack, LoopDelay[]>();
  const attacks = ATTACKS.filter(({ name }) => name.includes(options.only ?? ""));
  for (let round = 0; round < options.rounds; round += 1) {
    for (const attack of attacks) results.set(attack, [...(results.get(attack) ?? []), await measure(attack, options)]);
  }
  const rows = [...results].map(([{ name }, delays]) => [
    name,
    spread(
      delays.map(({ cpu }) => cpu),
      1,
    ),
    spread(
      delays.map(({ wall }) => wall),
      1,
    ),
  ]);
  return {
    how: "The longest time for which one input held the event loop of a node that was started for it: CPU time of its main thread between two looks a millisecond apart, and the delay by the clock.",
    parts: [{ head: ["input", "CPU ms", "delay ms"], rows }],
    bars: [...results].map(([{ name }, delays]) => ({
      what: name,
      limit: MOST,
      found: median(delays.map(({ cpu }) => cpu)),
      unit: "ms",
      digits: 1,
    })),
  };
};

async function measure({ run }: Attack, { toy }: Options): Promise<LoopDelay> {
  const issuers = { hmac: hmacIssuer(), rsa: rsaIssuer(), ed: edwardsIssuer() };
  const tokens = await tokensFor(issuers);
  const cookie = "c".repeat(40);
  const config = {
    webrocket: { admin: { listen: "127.0.0.1:0", cookie } },
    vhosts: {
      "/": {
        jwt: issuers.hmac.jwt,
        credentials: { query: true },
        topics: [{ match: "re:[ab]+", access: "private" as const }],
        presence: true,
        anonymous: { permissions: { call: ["*"] } },
      },
      "/rsa": { jwt: issuers.rsa.jwt, credentials: { query: true } },
      "/rocket": {},
      "/ed": { jwt: issuers.ed.jwt, credentials: { query: true } },
    },
  };
  const node: StallNode = { webrocketAdmin: "", webrocketCookie: cookie, ...(await startNode({ config })) };
  try {
    // A process takes longer for what it does for the first time, and only once.
    const end = await run(node, toy ? 0.01 : 0.1, tokens);
    end?.();
    await node.child.ask("watchLoop");
    const endAll = await run(node, toy ? 0.02 : 1, tokens);
    const delay = await node.child.ask<LoopDelay>("loopDelay");
    endAll?.();
    return delay;
  } finally {
    await node.child.stop();
  }
}

async function tokenOf(issuer: Issuer, permissions: object): Promise<string> {
  return (await tokensOf(issuer, 1, permissions))[0] ?? "";
}

async function tokensFor({ ed, hmac, rsa }: Record<"ed" | "hmac" | "rsa", Issuer>): Promise<Tokens> {
  return {
    heavy: await tokenOf(hmac, { join: [`${SLOW}1`, `${SLOW}2`, "re:[ab]+"] }),
    tooHeavy: await tokenOf(hmac, { join: Array.from({ length: 30 }, (_, number) => `re:[ab]*a[ab]{401}c${number}`) }),
    forged: { "/rsa": forge(await tokenOf(rsa, {})), "/ed": forge(await tokenOf(ed, {})) },
  };
}

/** The same token with another signature of the same length. */
function forge(token: string): string {
  const begin = token.lastIndexOf(".") + 1;
  const signature = Buffer.from(token.slice(begin), "base64url");
  return token.slice(0, begin) + Buffer.from(signature.toReversed()).toString("base64url");
}
