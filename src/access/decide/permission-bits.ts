import { ACTIONS, type Action } from "./actions.js";
import { type Grants, Permissions } from "./permissions.js";

/** Rights by the bits of an integer that grant them, each set of bits as a decimal number: all of them have to be set. */
export type BitGrants = Readonly<Record<string, Grants>>;

/** Most digits of an integer of bits: some hundreds of bits. */
const INTEGER = /^\d{1,100}$/;

/** Reads permissions that an issuer writes as an integer. */
export class PermissionBits {
  readonly #grants: readonly (readonly [bits: bigint, grants: Grants])[];

  /** @throws CarillonError invalid_argument: a pattern that cannot be read, or too much in all */
  constructor(grants: BitGrants) {
    this.#grants = Object.entries(grants).map(([bits, rights]) => [BigInt(bits), rights]);
    // A token may have all of them.
    this.#merged(this.#grants.map(([, rights]) => rights));
  }

  /** @param text - the claim's JSON text, which holds all digits. @returns undefined for what is not an integer */
  read(value: unknown, text: string): Permissions | undefined {
    const digits = typeof value === "string" ? value : typeof value === "number" ? text : "";
    if (!INTEGER.test(digits)) return undefined;
    const set = BigInt(digits);
    return this.#merged(this.#grants.filter(([bits]) => (set & bits) === bits).map(([, grants]) => grants));
  }

  #merged(all: readonly Grants[]): Permissions {
    const grants: { [A in Action]?: readonly string[] } = {};
    for (const action of ACTIONS) grants[action] = [...new Set(all.flatMap((one) => one[action] ?? []))];
    return Permissions.of(grants);
  }
}
