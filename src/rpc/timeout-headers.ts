import { CarillonError } from "../errors.js";

/** Milliseconds of each unit. Source: gRPC over HTTP/2, TimeoutUnit. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Longest delay of a timer, about 24 days, in milliseconds and as a header. */
const MAX_TIMEOUT = 2 ** 31 - 1;
const MAX_GRPC_TIMEOUT = "2147483S";

/**
 * Reads the `grpc-timeout` header, at most about 24 days.
 * @returns whole milliseconds; undefined if there is no header
 * @throws CarillonError as checkGrpcTimeout does
 */
export function readGrpcTimeout(header: string | undefined): number | undefined {
  const timeout = parseGrpcTimeout(header);
  return timeout === undefined ? undefined : Math.min(Math.floor(timeout), MAX_TIMEOUT);
}

/**
 * Checks and bounds the `grpc-timeout` header before libraries read it. @grpc/grpc-js accepts digits in the middle of any
 * text. A timer of more than 2^31 - 1 ms fires at once.
 * @returns undefined if there is no header
 * @throws CarillonError invalid_argument: malformed; deadline_exceeded: the deadline has passed
 */
export function checkGrpcTimeout(header: string | undefined): string | undefined {
  return (parseGrpcTimeout(header) ?? 0) <= MAX_TIMEOUT ? header : MAX_GRPC_TIMEOUT;
}

function parseGrpcTimeout(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const [, digits = "", unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(header) ?? [];
  if (unit === "") {
    const text = `grpc-timeout: ${JSON.stringify(header)} is not 1 to 8 digits and one of H, M, S, m, u and n`;
    throw new CarillonError("invalid_argument", text);
  }
  const timeout = Number(digits) * (UNITS[unit] ?? 0);
  if (timeout < 1) throw new CarillonError("deadline_exceeded", "the deadline had passed when the call arrived");
  return timeout;
}

/** Does the same for the headers of Connect and gRPC-Web. @throws CarillonError as checkGrpcTimeout does */
export function checkWebTimeouts(header: Headers): void {
  const timeout = checkGrpcTimeout(header.get("grpc-timeout") ?? undefined);
  if (timeout !== undefined) header.set("grpc-timeout", timeout);
  const milliseconds = header.get("connect-timeout-ms") ?? "";
  // Connect rejects a malformed header itself.
  if (/^\d{1,10}$/.test(milliseconds) && Number(milliseconds) > MAX_TIMEOUT)
    header.set("connect-timeout-ms", String(MAX_TIMEOUT));
}
