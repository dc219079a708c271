import { CarillonError } from "../../errors.js";
import { MAX_TOTAL_WEIGHT, weightProblem } from "../patterns/match-steps.js";
import type { MatcherList } from "../patterns/matcher-list.js";
import { patternWeight } from "../patterns/pattern.js";
import { PatternSet } from "../patterns/pattern-set.js";
import { ACTIONS, type Action } from "./actions.js";

/** Patterns by action: of topics, or of events for `call`. */
export type Grants = { readonly [A in Action]?: readonly string[] | undefined };

/** Permissions of a client. Immutable. */
export class Permissions {
  static readonly NONE = new Permissions({});

  readonly #grants: Grants;
  readonly #actions = new Map<Action, PatternSet>();

  private constructor(grants: Grants) {
    this.#grants = grants;
    for (const action of ACTIONS) {
      const patterns = grants[action];
      if (patterns !== undefined)
        this.#actions.set(
          action,
          withAction(action, () => new PatternSet(patterns)),
        );
    }
  }

  /** @throws CarillonError invalid_argument: an invalid pattern, or a total weight above the limit */
  static of(grants: Grants): Permissions {
    let weight = 0;
    for (const action of ACTIONS) {
      weight += withAction(action, () => patternWeight(grants[action] ?? [], MAX_TOTAL_WEIGHT));
      const problem = weightProblem(weight);
      if (problem !== undefined) throw new CarillonError("invalid_argument", `permissions: ${problem}`);
    }
    return Permissions.#of(grants);
  }

  static #of(grants: Grants): Permissions {
    const copy: { [A in Action]?: readonly string[] } = {};
    for (const action of ACTIONS) {
      const patterns = grants[action] ?? [];
      if (patterns.length > 0) copy[action] = [...new Set(patterns)];
    }
    return Object.keys(copy).length === 0 ? Permissions.NONE : new Permissions(copy);
  }

  /** Patterns by action, in the form of a token or the configuration. Actions without patterns are left out. */
  get grants(): Grants {
    return this.#grants;
  }

  /** Finds the first pattern that allows the action on the name; undefined for none. */
  grantFor(action: Action, name: string): string | undefined {
    return this.#actions.get(action)?.find(name);
  }

  /** Patterns of an action that are not plain names. */
  matchersOf(action: Action): MatcherList | undefined {
    return this.#actions.get(action)?.matchers;
  }

  allows(action: Action, name: string): boolean {
    return this.grantFor(action, name) !== undefined;
  }

  /** Returns permissions that allow everything that either of the two allows. */
  merged(other: Permissions): Permissions {
    if (other.#actions.size === 0 || other === this) return this;
    if (this.#actions.size === 0) return other;
    const grants: { [A in Action]?: readonly string[] } = {};
    for (const action of ACTIONS) grants[action] = [...(this.#grants[action] ?? []), ...(other.#grants[action] ?? [])];
    return Permissions.#of(grants);
  }

  toJSON(): Grants {
    return this.#grants;
  }
}

/** Runs a function, and prefixes its errors with the action of the pattern. */
function withAction<Made>(action: Action, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    throw new CarillonError("invalid_argument", `permission ${action}: ${CarillonError.from(error).message}`);
  }
}
