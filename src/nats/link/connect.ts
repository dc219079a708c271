import { type ConnectionOptions, NatsError, ErrorCode as NatsErrorCode } from "nats";
import { CarillonError } from "../../errors.js";
import { errorCode, errorText } from "../../util/native-error.js";
import { createNatsAuthenticator, readTlsOptions } from "./credentials.js";
import type { NatsOptions } from "./options.js";

/** Time between two attempts to reach a server, and the random part added to it, in milliseconds. */
export const RECONNECT_WAIT = 250;
export const RECONNECT_JITTER = 250;
const CONNECT_TIMEOUT = 5_000;
/** A server that leaves two of these pings unanswered is taken for dead when the third is due. */
const PING_INTERVAL = 5_000;

/** @throws CarillonError failed_precondition for a file that cannot be read or does not hold what it should */
export function connectionOptions(options: NatsOptions): ConnectionOptions {
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
    pingInterval: PING_INTERVAL,
    // A password that is wrong for a while, during a rotation, must not end the connection for good.
    ignoreAuthErrorAbort: true,
  };
}

/** Whether an error at connecting is of a kind that trying again does not mend. */
export function isHopeless(error: unknown): boolean {
  if (error instanceof CarillonError) return true;
  const code = errorCode(error);
  return typeof code === "string" && (HOPELESS.has(code) || BAD_CERTIFICATE.test(code));
}

/** What an error says, and what the error below it says, for people. */
export function describeConnectFailure(error: unknown): string {
  const below = error instanceof NatsError ? error.chainedError : undefined;
  return below === undefined ? errorText(error) : `${errorText(error)}: ${below.message}`;
}

/** The servers as they may be shown: without user and password. */
export function shownServers({ servers }: NatsOptions): string {
  return servers.map(withoutUserInfo).join(", ");
}

const HOPELESS: ReadonlySet<string> = new Set([
  NatsErrorCode.AuthorizationViolation,
  NatsErrorCode.AuthenticationExpired,
  NatsErrorCode.BadAuthentication,
  NatsErrorCode.BadCreds,
  NatsErrorCode.InvalidOption,
  NatsErrorCode.AccountExpired,
  // TLS is asked for, and the server has none; files that hold no certificate or key.
  NatsErrorCode.ServerOptionNotAvailable,
  NatsErrorCode.Tls,
]);

/** Node's codes for a server's certificate that does not convince. */
const BAD_CERTIFICATE = /^(?:CERT_|ERR_TLS_CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_|UNABLE_TO_)/;

function withoutUserInfo(server: string): string {
  return server.replace(/\/\/[^/]*@/, "//");
}
