import fc from "fast-check";
import { Permissions } from "../../src/access/decide/permissions.js";
import { matchAhead, TURN_STEPS } from "../../src/access/patterns/match-ahead.js";
import { MAX_REQUEST_STEPS, MAX_TOTAL_WEIGHT, matchSteps } from "../../src/access/patterns/match-steps.js";
import { MatcherList } from "../../src/access/patterns/matcher-list.js";
import { patternProblem, patternWeight } from "../../src/access/patterns/pattern.js";
import { CarillonError } from "../../src/errors.js";
import { cleanUp } from "../support/clean-up.js";

/** Counts matching steps, in each turn of the event loop and in total. */
class StepCounter {
  total = 0;
  longestTurn = 0;
  #turn = 0;
  #stopped = false;

  constructor() {
    this.#watch();
    cleanUp(() => this.stop());
  }

  /** Matcher without matches. */
  matcher(weight: number) {
    const matches = (name: string): boolean => {
      const steps = matchSteps(weight, name);
      this.total += steps;
      this.#turn += steps;
      this.longestTurn = Math.max(this.longestTurn, this.#turn);
      return false;
    };
    return Object.assign(matches, { weight, prefix: "" });
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Immediates of one turn run together: steps counted since the last one belong to the turn before. */
  #watch(): void {
    setImmediate(() => {
      this.#turn = 0;
      if (!this.#stopped) this.#watch();
    });
  }
}

async function refusalOf(run: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return CarillonError.from(error).code;
  }
}

const weights = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 40 }).map((all) => {
  let sum = 0;
  return all.filter((weight) => {
    sum += weight;
    return sum <= MAX_TOTAL_WEIGHT;
  });
});
const lengths = fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 1_000, size: "max" });

let names = 0;

/** Names that are not cached. */
function newName(length: number): string {
  names += 1;
  return `${names}`.padStart(length, "x");
}

test("O12: bounds the steps of a turn and of a request, whatever the patterns and names", async () => {
  const longestName = matchSteps(MAX_TOTAL_WEIGHT, "x".repeat(255));
  await fc.assert(
    fc.asyncProperty(fc.array(weights, { minLength: 1, maxLength: 3 }), lengths, async (sets, sizes) => {
      const counter = new StepCounter();
      const lists = sets.map((set) => new MatcherList(set.map((weight) => counter.matcher(weight))));
      const matches = sizes.map(newName).flatMap((name) => lists.map((list) => ({ list, name })));
      const most = matches.reduce((sum, { list, name }) => sum + matchSteps(list.weight, name), 0);
      const refusal = await refusalOf(async () => matchAhead("/", () => matches));
      if (refusal === undefined) for (const { list, name } of matches) list.find(name);
      counter.stop();
      expect(refusal).toBe(most > MAX_REQUEST_STEPS ? "resource_exhausted" : undefined);
      expect(counter.total).toBeLessThanOrEqual(most > MAX_REQUEST_STEPS ? 0 : most);
      // A slice, the excess of its last name, and the decision itself.
      expect(counter.longestTurn).toBeLessThanOrEqual(2 * TURN_STEPS + longestName);
    }),
    { numRuns: 60 },
  );
});

test("O12: matches again when patterns have changed meanwhile, a bounded number of times", async () => {
  const counter = new StepCounter();
  const name = newName(255);
  const fresh = () => [{ list: new MatcherList([counter.matcher(MAX_TOTAL_WEIGHT)]), name }];
  await expect(matchAhead("/", fresh)).rejects.toMatchObject({ code: "resource_exhausted" });
  let asked = 0;
  const lists = [fresh(), fresh()];
  await matchAhead("/", () => {
    asked += 1;
    return lists[asked < 3 ? 0 : 1] ?? [];
  });
  counter.stop();
  expect(lists.flat().map(({ list }) => list.stepsFor(name))).toEqual([0, 0]);
});

function attempt<Made>(make: () => Made): Made | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

const atom = fc.constantFrom("a", "[ab]", "(?:a|b)", "a?", "b*", "\\w", "[^x]", "\\d+");
const expression = fc
  .array(fc.tuple(atom, fc.integer({ min: 1, max: 150 })), { minLength: 1, maxLength: 4 })
  .map((parts) => `re:${parts.map(([text, times]) => `(?:${text}){${times}}`).join("")}`);

test("O12: refuses permissions whose patterns weigh too much in total", () => {
  fc.assert(
    fc.property(fc.array(expression, { minLength: 1, maxLength: 12 }), (patterns) => {
      // A single pattern that is too large has another refusal.
      fc.pre(patterns.every((pattern) => patternProblem(pattern) === undefined));
      const most = 2 * patternWeight(patterns);
      const permissions = attempt(() => Permissions.of({ join: patterns, publish: patterns }));
      expect(permissions === undefined).toBe(most > MAX_TOTAL_WEIGHT);
      expect(permissions?.matchersOf("join")?.weight ?? 0).toBeLessThanOrEqual(MAX_TOTAL_WEIGHT / 2);
    }),
    { numRuns: 200 },
  );
});
