import { CarillonError } from "../errors.js";
import { ACTIONS, type Action } from "./actions.js";
import { PatternSet } from "./pattern-set.js";

/** Patterns of topics (for `call`: of events) by action. */
export type Grants = { readonly [A in Action]?: readonly string[] | undefined };

/** What somebody may do. Never changed. */
export class Permissions {
  static readonly NONE = new Permissions({});

  readonly #grants: Grants;
  readonly #actions = new Map<Action, PatternSet>();

  private constructor(grants: Grants) {
    this.#grants = grants;
    for (const action of ACTIONS) {
      const patterns = grants[action];
      if (patterns !== undefined) this.#actions.set(action, read(action, patterns));
    }
  }

  /** @throws CarillonError invalid_argument: a pattern that cannot be read */
  static of(grants: Grants): Permissions {
    const copy: { [A in Action]?: readonly string[] } = {};
    for (const action of ACTIONS) {
      const patterns = grants[action] ?? [];
      if (patterns.length > 0) copy[action] = [...new Set(patterns)];
    }
    return Object.keys(copy).length === 0 ? Permissions.NONE : new Permissions(copy);
  }

  /** As a token or the configuration holds them: actions without patterns are left out. */
  get grants(): Grants {
    return this.#grants;
  }

  /** The pattern that allows it; undefined: nothing does. */
  grantFor(action: Action, name: string): string | undefined {
    return this.#actions.get(action)?.find(name);
  }

  allows(action: Action, name: string): boolean {
    return this.grantFor(action, name) !== undefined;
  }

  /** What either of them allows. */
  merged(other: Permissions): Permissions {
    if (other.#actions.size === 0 || other === this) return this;
    if (this.#actions.size === 0) return other;
    const grants: { [A in Action]?: readonly string[] } = {};
    for (const action of ACTIONS) grants[action] = [...(this.#grants[action] ?? []), ...(other.#grants[action] ?? [])];
    return Permissions.of(grants);
  }

  toJSON(): Grants {
    return this.#grants;
  }
}

function read(action: Action, patterns: readonly string[]): PatternSet {
  try {
    return new PatternSet(patterns);
  } catch (error) {
    throw new CarillonError("invalid_argument", `permission ${action}: ${CarillonError.from(error).message}`);
  }
}
