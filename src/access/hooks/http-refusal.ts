import { CarillonError, type ErrorCode } from "../../errors.js";
import { headerProblem } from "./http-header.js";

/** Error codes by status. Other 5xx are `unavailable`; the rest are `permission_denied`. */
const CODE_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  404: "not_found",
  429: "resource_exhausted",
  500: "internal",
  501: "unimplemented",
};

/** Status without a body. Source: RFC 9110 §15.4.5. */
const NOT_MODIFIED = 304;

export interface HttpRefusalOptions {
  /** 300 to 599. Redirects are refusals too. */
  readonly status: number;
  /** A name may repeat, as `set-cookie` needs. */
  readonly headers: Iterable<readonly [name: string, value: string]>;
  readonly body: Uint8Array;
}

/** Refusal of a connection with the HTTP answer chosen by the backend. */
export class HttpRefusal extends CarillonError {
  readonly status: number;
  /** Headers that are safe to write. Hop-by-hop, reserved and invalid ones have been removed. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;

  /** @throws RangeError: status not from 300 to 599 */
  constructor({ body, headers, status }: HttpRefusalOptions) {
    if (!Number.isInteger(status) || status < 300 || status > 599) {
      throw new RangeError(`status: expected 300 to 599, got ${status}`);
    }
    super(CODE_BY_STATUS[status] ?? (status < 500 ? "permission_denied" : "unavailable"), "refused by the backend");
    this.status = status;
    this.body = status === NOT_MODIFIED ? new Uint8Array() : body;
    const all = [...headers];
    const named = all.filter(([name]) => name.toLowerCase() === "connection").flatMap(([, value]) => value.split(","));
    const excluded = new Set(named.map((name) => name.trim().toLowerCase()));
    this.headers = all.filter(
      ([name, value]) => !excluded.has(name.toLowerCase()) && headerProblem(name, value) === undefined,
    );
  }
}
