/**
 * Everything that Carillon refuses or fails at is a {@link CarillonError} with one code of a closed set. Each boundary
 * has one table here that says what a code is called there.
 */

/** The gRPC status names in lower snake case. Their meaning is gRPC's. */
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
  /** Milliseconds after which the same request may succeed; infinity: it never will. */
  readonly retryDelay?: number | undefined;
}

/** A refusal or failure with a text meant for whoever sent the request: never a secret, never a stack. */
export class CarillonError extends Error {
  override readonly name = "CarillonError";
  /** Milliseconds after which the same request may succeed; infinity: it never will; undefined where nobody knows. */
  readonly retryDelay: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: CarillonErrorOptions,
  ) {
    super(message, options);
    this.retryDelay = options?.retryDelay;
  }

  /** The error to answer with. What is not a CarillonError is a fault of ours: its text stays here. */
  static from(cause: unknown): CarillonError {
    return cause instanceof CarillonError ? cause : new CarillonError("internal", "internal error", { cause });
  }
}

/** Creates the error for a request that is wrong in itself. */
export function invalidArgument(message: string, cause?: unknown): CarillonError {
  return new CarillonError("invalid_argument", message, cause === undefined ? undefined : { cause });
}

/** Value of the `Retry-After` header for an error, in whole seconds; undefined for none. Source: RFC 9110 §10.2.3. */
export function retryAfterSeconds({ retryDelay }: CarillonError): number | undefined {
  return retryDelay === undefined || !Number.isFinite(retryDelay)
    ? undefined
    : Math.max(1, Math.ceil(retryDelay / 1_000));
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

/** HTTP status of refusals outside of RPC: upgrades, pages, health. */
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

/** Why the server ends a session. */
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

/** A close code and text that a backend has chosen. */
export interface ChosenClose {
  readonly code: number;
  readonly text: string;
}

/** WebSocket close codes and texts. Source: RFC 6455 §7.4.1 and the IANA registry (1012, 1013). */
export const WEBSOCKET_CLOSE: Readonly<Record<CloseReason, readonly [code: number, text: string]>> = {
  slow_consumer: [1013, "slow consumer"],
  service_restart: [1012, "service restart"],
  malformed_frames: [1008, "too many malformed frames"],
  flooding: [1008, "too many frames at once"],
  overloaded: [1013, "this node is receiving as much as it can: try again later"],
  message_timeout: [1008, "a message took too long to arrive"],
  not_utf8: [1007, "binary frames must hold UTF-8"],
  ping_timeout: [1011, "ping timeout"],
  // From 4000 up codes are an application's own; these call the HTTP status to mind.
  token_expired: [4401, "token expired: connect with a new one"],
  disconnected: [4403, "disconnected by the backend"],
  vhost_deleted: [4404, "the vhost was deleted"],
  not_joined: [1013, "could not be joined to its topics: try again later"],
};

/** What the close frame says. */
export function closeFrameOf(reason: CloseReason | ChosenClose): readonly [code: number, text: string] {
  return typeof reason === "string" ? WEBSOCKET_CLOSE[reason] : [reason.code, reason.text];
}
