/**
 * Error of a command or a connection. Codes are the gRPC status names in lower snake case, as the server sends them.
 * `unavailable`: not connected, or the connection was lost before the answer; the outcome is then unknown.
 * `deadline_exceeded`: no answer in time. `resource_exhausted`: a limit of the server, such as the size of a frame, or the
 * queue is full.
 */
export class ClientError extends Error {
  override readonly name = "ClientError";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Thrown by a `token` callback to say that there will be no token: the client closes, and does not try again. */
export class Unauthorized extends Error {
  override readonly name = "Unauthorized";
}

/** Codes of refusals that may succeed later without a change by the application. */
const TEMPORARY = ["unavailable", "resource_exhausted", "deadline_exceeded", "internal"];

/** Whether a later attempt may succeed. Anything that is not a refusal, such as a failed fetch, may. */
export function isTemporary(error: unknown): boolean {
  return !(error instanceof ClientError) || TEMPORARY.includes(error.code);
}
