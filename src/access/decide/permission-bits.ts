import { ACTIONS, type Action } from "./actions.js";
import { type Grants, Permissions } from "./permissions.js";

/** Grants by bit mask. The key is the mask as a decimal number; a grant applies when all its bits are set. */
export type BitGrants = Readonly<Record<string, Grants>>;

/** Non-negative integer of at most 100 digits, about 332 bits. */
const INTEGER = /^\d{1,100}$/;

/** Reads permissions from a claim that holds an integer. */
export class PermissionBits {
  readonly #grants: readonly (readonly [bits: bigint, grants: Grants])[];

  /** @throws CarillonError invalid_argument: an invalid pattern, or a total weight above the limit */
  constructor(grants: BitGrants) {
    this.#grants = Object.entries(grants).map(([bits, rights]) => [BigInt(bits), rights]);
    // Checks the sum of all grants, because a token may set all bits.
    this.#merged(this.#grants.map(([, rights]) => rights));
  }

  /**
   * @param text - JSON text of the claim, because a parsed number loses digits
   * @returns undefined if the claim is not an integer
   */
  read(value: unknown, text: string): Permissions | undefined {
    const digits = typeof value === "string" ? value : typeof value === "number" ? text : "";
    if (!INTEGER.test(digits)) return undefined;
    const set = BigInt(digits);
    return this.#merged(this.#grants.filter(([bits]) => (set & bits) === bits).map(([, grants]) => grants));
  }

  #merged(grantLists: readonly Grants[]): Permissions {
    const grants: { [A in Action]?: readonly string[] } = {};
    for (const action of ACTIONS) grants[action] = [...new Set(grantLists.flatMap((one) => one[action] ?? []))];
    return Permissions.of(grants);
  }
}
