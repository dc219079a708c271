import { type Attack, SLOW, type StallNode, type Tokens } from "./stall/attack.js";
import { COMMANDS } from "./stall/commands.js";
import { FRAMES } from "./stall/frames.js";
import { LISTS } from "./stall/lists.js";
import { POLLS } from "./stall/polls.js";
import { REQUESTS } from "./stall/requests.js";
import { UPGRADES } from "./stall/upgrades.js";
import { startNode } from "./support/carillon.js";
import { createEdwardsIssuer, createHmacIssuer, createRsaIssuer, type Issuer, signTokens } from "./support/issuer.js";
import type { LoopDelay } from "./support/loop-watch.js";
import type { Benchmark, Options } from "./support/report.js";
import { median, spread } from "./support/table.js";

/** Limit of rule O12, in milliseconds of CPU time. */
const LIMIT = 50;

const ATTACKS: readonly Attack[] = [...COMMANDS, ...UPGRADES, ...FRAMES, ...POLLS, ...REQUESTS, ...LISTS];

/** Measures the longest time for which inputs block the event loop, with and without credentials. */
export const stall: Benchmark = async (options) => {
  const results = new Map<Attack, LoopDelay[]>();
  const attacks = ATTACKS.filter(({ name }) => name.includes(options.only ?? ""));
  const add = async (attack: Attack, target: Target): Promise<void> => {
    results.set(attack, [...(results.get(attack) ?? []), await measure(attack, target, options)]);
  };
  for (let round = 0; round < options.rounds; round += 1) {
    if (options.toy) {
      // Starting a node for each input would take most of the time.
      await withTarget(async (target) => {
        for (const attack of attacks) await add(attack, target);
      });
    } else {
      for (const attack of attacks) await withTarget((target) => add(attack, target));
    }
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
    how: "Longest time for which one input blocked the event loop of a node that was started for it: CPU time of its main thread between two samples a millisecond apart, and the delay in wall-clock time.",
    parts: [{ head: ["input", "CPU ms", "delay ms"], rows }],
    bars: [...results].map(([{ name }, delays]) => ({
      what: name,
      limit: LIMIT,
      found: median(delays.map(({ cpu }) => cpu)),
      unit: "ms",
      digits: 1,
    })),
  };
};

interface Target {
  readonly node: StallNode;
  readonly tokens: Tokens;
}

/** Starts a node, and stops it when the function has ended. */
async function withTarget(use: (target: Target) => Promise<void>): Promise<void> {
  const issuers = { hmac: createHmacIssuer(), rsa: createRsaIssuer(), ed: createEdwardsIssuer() };
  const tokens = await createTokens(issuers);
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
    await use({ node, tokens });
  } finally {
    await node.child.stop();
  }
}

async function measure({ run }: Attack, { node, tokens }: Target, { toy }: Options): Promise<LoopDelay> {
  // The first, smaller run warms the process up.
  const end = await run(node, toy ? 0.01 : 0.1, tokens);
  end?.();
  await node.child.ask("watchLoop");
  const endAll = await run(node, toy ? 0.02 : 1, tokens);
  const delay = await node.child.ask<LoopDelay>("loopDelay");
  endAll?.();
  return delay;
}

async function createToken(issuer: Issuer, permissions: object): Promise<string> {
  return (await signTokens(issuer, 1, permissions))[0] ?? "";
}

async function createTokens({ ed, hmac, rsa }: Record<"ed" | "hmac" | "rsa", Issuer>): Promise<Tokens> {
  return {
    heavy: await createToken(hmac, { join: [`${SLOW}1`, `${SLOW}2`, "re:[ab]+"] }),
    tooHeavy: await createToken(hmac, {
      join: Array.from({ length: 30 }, (_, number) => `re:[ab]*a[ab]{401}c${number}`),
    }),
    forged: { "/rsa": forge(await createToken(rsa, {})), "/ed": forge(await createToken(ed, {})) },
  };
}

/** Replaces the signature of a token by another one of the same length. */
function forge(token: string): string {
  const begin = token.lastIndexOf(".") + 1;
  const signature = Buffer.from(token.slice(begin), "base64url");
  return token.slice(0, begin) + Buffer.from(signature.toReversed()).toString("base64url");
}
