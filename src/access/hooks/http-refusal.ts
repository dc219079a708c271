import { CarillonError, type ErrorCode } from "../../errors.js";
import { headerFault } from "./http-header.js";

/** What statuses mean; others of 5xx are `unavailable`, all else is `permission_denied`. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  404: "not_found",
  429: "resource_exhausted",
  500: "internal",
  501: "unimplemented",
};

/** Has no body. Source: RFC 9110 §15.4.5. */
const NOT_MODIFIED = 304;

export interface HttpRefusalOptions {
  /** 300 to 599: redirects are refusals too. */
  readonly status: number;
  /** Several of one name are several headers, as `set-cookie` needs it. */
  readonly headers: Iterable<readonly [name: string, value: string]>;
  readonly body: Uint8Array;
}

/** A refused connection with the answer that somebody else has chosen for it: the backend. */
export class HttpRefusal extends CarillonError {
  readonly status: number;
  /** Safe to be written: what is not passed on, and what no header can hold, is left out. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;

  /** @throws RangeError for a status that is no refusal */
  constructor({ body, headers, status }: HttpRefusalOptions) {
    if (!Number.isInteger(status) || status < 300 || status > 599) {
      throw new RangeError(`a refusal has a status of 300 to 599, not ${status}`);
    }
    super(CODES[status] ?? (status < 500 ? "permission_denied" : "unavailable"), "refused by the backend");
    this.status = status;
    this.body = status === NOT_MODIFIED ? new Uint8Array() : body;
    const all = [...headers];
    const named = all.filter(([name]) => name.toLowerCase() === "connection").flatMap(([, value]) => value.split(","));
    const own = new Set(named.map((name) => name.trim().toLowerCase()));
    this.headers = all.filter(
      ([name, value]) => !own.has(name.toLowerCase()) && headerFault(name, value) === undefined,
    );
  }
}
