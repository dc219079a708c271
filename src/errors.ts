/**
 * Errors of Carillon. Every refusal and failure is a {@link CarillonError} with one of a fixed set of codes. Each boundary
 * has one table here that maps the codes.
 */

/** Error codes: the names of gRPC's status codes in lower snake case, with the same meaning. */
export type ErrorCode =
  | "cancelled"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "unauthenticated";

export interface CarillonErrorOptions extends ErrorOptions {
  /** Milliseconds after which a retry may succeed; infinity: never. */
  readonly retryDelay?: number | undefined;
}

/** A refusal or failure with a text for the caller, which never contains a secret or a stack. */
export class CarillonError extends Error {
  override readonly name = "CarillonError";
  /** Milliseconds after which a retry may succeed; infinity: never; undefined: unknown. */
  readonly retryDelay: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: CarillonErrorOptions,
  ) {
    super(message, options);
    this.retryDelay = options?.retryDelay;
  }

  /** Converts a thrown value to the error for the caller. Any other value is a bug; its text stays hidden. */
  static from(cause: unknown): CarillonError {
    return cause instanceof CarillonError ? cause : new CarillonError("internal", "internal error", { cause });
  }
}

/** Creates the error for an invalid request. */
export function invalidArgument(message: string, cause?: unknown): CarillonError {
  return new CarillonError("invalid_argument", message, cause === undefined ? undefined : { cause });
}

/** Codes of failures that may be temporary. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set(["resource_exhausted", "unavailable"]);

/** Milliseconds after which to retry after a temporary failure, unless the error says otherwise. */
const RETRY_DELAY = 1_000;

/** Returns the milliseconds after which a retry may succeed; undefined if none can. */
export function findRetryDelay({ code, retryDelay }: CarillonError): number | undefined {
  const delay = retryDelay ?? (TRANSIENT.has(code) ? RETRY_DELAY : Number.POSITIVE_INFINITY);
  return Number.isFinite(delay) ? delay : undefined;
}

/** Returns the value of the `Retry-After` header, in whole seconds; undefined for none. Source: RFC 9110 §10.2.3. */
export function retryAfterSeconds(error: CarillonError): number | undefined {
  const delay = findRetryDelay(error);
  return delay === undefined ? undefined : Math.max(1, Math.ceil(delay / 1_000));
}

/** gRPC status numbers; Connect uses the same numbers for its codes. Source: grpc.io, status codes. */
export const GRPC_STATUS: Readonly<Record<ErrorCode, number>> = {
  cancelled: 1,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
};

/** HTTP status codes of refusals outside RPC: upgrades, pages, health. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  cancelled: 499,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 412,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  unauthenticated: 401,
};

/** Reason for which the server ends a session. */
export type CloseReason =
  | "slow_consumer"
  | "service_restart"
  | "malformed_frames"
  | "flooding"
  | "overloaded"
  | "message_timeout"
  | "not_utf8"
  | "ping_timeout"
  | "token_expired"
  | "disconnected"
  | "vhost_deleted"
  | "not_joined";

/** A close code and text chosen by a backend, or by the node where the text depends on its settings. */
export interface ChosenClose {
  readonly code: number;
  readonly text: string;
  /** When the client should reconnect. Undefined: the code decides whether it should. */
  readonly retry?: RetryWindow;
}

/** Period in which clients should come back, each at a random time, in milliseconds from now. */
export interface RetryWindow {
  readonly from: number;
  readonly to: number;
}

/** Chooses a random delay within a window, in milliseconds. */
export function chooseDelay({ from, to }: RetryWindow, random: () => number = Math.random): number {
  return from + Math.floor(random() * (to - from));
}

/** WebSocket close codes and texts. Source: RFC 6455 §7.4.1 and the IANA registry (1012, 1013). */
export const WEBSOCKET_CLOSE: Readonly<Record<CloseReason, readonly [code: number, text: string]>> = {
  slow_consumer: [1013, "slow consumer"],
  service_restart: [1012, "service restart"],
  malformed_frames: [1008, "too many malformed frames"],
  flooding: [1008, "too many frames at once"],
  overloaded: [1013, "too much data in transit on this node: try again later"],
  message_timeout: [1008, "message not received in time"],
  not_utf8: [1007, "binary frames must contain UTF-8"],
  ping_timeout: [1011, "ping timeout"],
  // Codes from 4000 are private; the last three digits of these are the matching HTTP status.
  token_expired: [4401, "token expired: connect with a new one"],
  disconnected: [4403, "disconnected by the backend"],
  vhost_deleted: [4404, "the vhost was deleted"],
  not_joined: [1013, "initial topics could not be joined: try again later"],
};

/**
 * Creates a close with code 1012 whose text ends with advice that clients can parse (rule L23): `CAUSE, retry after A-B s`.
 * @param cause - at most 80 bytes
 */
export function createRestartClose(cause: string, retry: RetryWindow): ChosenClose {
  const [code] = WEBSOCKET_CLOSE.service_restart;
  const [from, to] = [retry.from, retry.to].map((time) => Math.ceil(time / 1_000));
  return { code, text: `${cause}, retry after ${from}-${to} s`, retry };
}

/** Parses the advice at the end of a close frame's text (rule L23); undefined if there is none. */
export function parseRetryAdvice(text: string): RetryWindow | undefined {
  const [, from, to] = /, retry after (\d{1,6})-(\d{1,6}) s$/.exec(text) ?? [];
  return from === undefined || to === undefined ? undefined : { from: Number(from) * 1_000, to: Number(to) * 1_000 };
}

/** Returns the code and text of the close frame. */
export function toCloseFrame(reason: CloseReason | ChosenClose): readonly [code: number, text: string] {
  return typeof reason === "string" ? WEBSOCKET_CLOSE[reason] : [reason.code, reason.text];
}
