import { type ConnectionOptions, NatsError, ErrorCode as NatsErrorCode } from "nats";
import { CarillonError } from "../../errors.js";
import { errorCode, errorText } from "../../util/native-error.js";
import { createNatsAuthenticator, readTlsOptions } from "./credentials.js";
import type { NatsOptions } from "./options.js";

/** Pause between two connection attempts, and the maximum random time added to it, in milliseconds. */
export const RECONNECT_WAIT = 250;
export const RECONNECT_JITTER = 250;
const CONNECT_TIMEOUT = 5_000;
/** Minimum interval of pings, in milliseconds. A server with two unanswered pings counts as dead when the third is due. */
const PING_INTERVAL = 5_000;

/** @throws CarillonError failed_precondition for a file that is unreadable or has invalid content */
export function createConnectionOptions(options: NatsOptions): ConnectionOptions {
  const tls = readTlsOptions(options);
  return {
    servers: options.servers.map(withoutUserInfo),
    name: options.clientName,
    authenticator: createNatsAuthenticator(options),
    ...(tls === undefined ? {} : { tls }),
    timeout: CONNECT_TIMEOUT,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT,
    reconnectJitter: RECONNECT_JITTER,
    reconnectJitterTLS: RECONNECT_JITTER,
    // A silent server must not count as dead while a confirmation may still arrive in time.
    pingInterval: Math.max(PING_INTERVAL, options.confirmTimeout / 2),
    // A password that is temporarily wrong, during a rotation, must not end the connection for good.
    ignoreAuthErrorAbort: true,
  };
}

/** Returns true for a connection error that a retry cannot fix. */
export function isPermanentFailure(error: unknown): boolean {
  if (error instanceof CarillonError) return true;
  const code = errorCode(error);
  return typeof code === "string" && (PERMANENT_FAILURES.has(code) || BAD_CERTIFICATE.test(code));
}

/** Formats an error together with its cause. */
export function describeConnectFailure(error: unknown): string {
  const cause = error instanceof NatsError ? error.chainedError : undefined;
  return cause === undefined ? errorText(error) : `${errorText(error)}: ${cause.message}`;
}

/** Formats the servers without user names and passwords, for logs and errors. */
export function formatServers({ servers }: NatsOptions): string {
  return servers.map(withoutUserInfo).join(", ");
}

const PERMANENT_FAILURES: ReadonlySet<string> = new Set([
  NatsErrorCode.AuthorizationViolation,
  NatsErrorCode.AuthenticationExpired,
  NatsErrorCode.BadAuthentication,
  NatsErrorCode.BadCreds,
  NatsErrorCode.InvalidOption,
  NatsErrorCode.AccountExpired,
  // TLS is required but not offered by the server; files without a certificate or key.
  NatsErrorCode.ServerOptionNotAvailable,
  NatsErrorCode.Tls,
]);

/** Node's error codes for an untrusted server certificate. */
const BAD_CERTIFICATE = /^(?:CERT_|ERR_TLS_CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_|UNABLE_TO_)/;

function withoutUserInfo(server: string): string {
  return server.replace(/\/\/[^/]*@/, "//");
}
