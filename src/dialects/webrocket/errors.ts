import type { CarillonError, ErrorCode } from "../../errors.js";

/** Error codes with their names. */
const STATUS = {
  400: "Bad request",
  402: "Unauthorized",
  403: "Forbidden",
  451: "Invalid channel name",
  453: "Not subscribed",
  454: "Channel not found",
  503: "Service unavailable",
  597: "Internal error",
} as const;

export type WebrocketCode = keyof typeof STATUS;

type Codes = Readonly<Record<ErrorCode, WebrocketCode>>;

const CODES: Codes = {
  invalid_argument: 400,
  unimplemented: 400,
  unauthenticated: 402,
  permission_denied: 403,
  failed_precondition: 453,
  not_found: 454,
  unavailable: 503,
  resource_exhausted: 503,
  deadline_exceeded: 503,
  // Never sent: a repeated subscription has no answer.
  already_exists: 400,
  cancelled: 597,
  internal: 597,
};

/** Codes that differ for some requests, by the client's event. */
const EXCEPTIONS: Readonly<Partial<Record<string, Partial<Codes>>>> = {
  // All problems of a token have the same code, whichever check finds them.
  auth: { invalid_argument: 402, permission_denied: 402, failed_precondition: 402, not_found: 402 },
  subscribe: { invalid_argument: 454 },
  trigger: { not_found: 503 },
};

/** @param event - event that the client has sent */
export function toWebrocketCode(event: string, { code }: CarillonError): WebrocketCode {
  return EXCEPTIONS[event]?.[code] ?? CODES[code];
}

export function webrocketErrorText(code: WebrocketCode): string {
  return `{":error":{"code":${code},"status":"${STATUS[code]}"}}`;
}
