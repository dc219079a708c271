import { readFileSync } from "node:fs";
import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  ErrorCode as NatsErrorCode,
  NatsError,
  nkeyAuthenticator,
  type TlsOptions,
} from "nats";
import { CarillonError } from "../../errors.js";

/** How to reach and enter a NATS server or cluster. Paths are files in PEM, or of the NATS kind that their name says. */
export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`, any servers of the cluster. */
  readonly servers: readonly string[];
  /** First token or tokens of every subject. */
  readonly prefix: string;
  /** The name that NATS shows for this node's connection. */
  readonly clientName: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  /** File that holds an nkey seed (`SU…`). */
  readonly nkeyFile?: string | undefined;
  /** File with a JWT and a seed, as `nsc` writes it. */
  readonly credsFile?: string | undefined;
  readonly tls?:
    | {
        readonly caFile?: string | undefined;
        readonly certFile?: string | undefined;
        readonly keyFile?: string | undefined;
      }
    | undefined;
  /** Bytes that may be sent and not confirmed. */
  readonly pendingBytes: number;
  /** Milliseconds that NATS may take to confirm. */
  readonly confirmTimeout: number;
}

/** Time between two attempts to reach a server, and the random part added to it, in milliseconds. */
export const RECONNECT_WAIT = 250;
export const RECONNECT_JITTER = 250;
const CONNECT_TIMEOUT = 5_000;
/** A server that is silent for two of these is taken for dead. */
const PING_INTERVAL = 5_000;

/** @throws CarillonError failed_precondition for a file that cannot be read */
export function connectionOptions(options: NatsOptions): ConnectionOptions {
  const { clientName, password, servers, token, user } = options;
  const authenticator = authenticatorOf(options);
  const tls = tlsOf(options);
  return {
    servers: [...servers],
    name: clientName,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(authenticator === undefined ? {} : { authenticator }),
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
  if (!(error instanceof NatsError)) return false;
  return HOPELESS.has(error.code);
}

const HOPELESS: ReadonlySet<string> = new Set([
  NatsErrorCode.AuthorizationViolation,
  NatsErrorCode.AuthenticationExpired,
  NatsErrorCode.BadAuthentication,
  NatsErrorCode.BadCreds,
  NatsErrorCode.InvalidOption,
  NatsErrorCode.AccountExpired,
]);

function authenticatorOf({ credsFile, nkeyFile }: NatsOptions): Authenticator | undefined {
  if (credsFile !== undefined) return credsAuthenticator(read("creds_file", credsFile));
  if (nkeyFile !== undefined) {
    const seed = read("nkey_file", nkeyFile).toString("latin1").trim();
    return nkeyAuthenticator(Buffer.from(seed));
  }
  return undefined;
}

function tlsOf({ tls }: NatsOptions): TlsOptions | undefined {
  if (tls === undefined) return undefined;
  return {
    ...(tls.caFile === undefined ? {} : { ca: read("tls.ca_file", tls.caFile).toString() }),
    ...(tls.certFile === undefined ? {} : { cert: read("tls.cert_file", tls.certFile).toString() }),
    ...(tls.keyFile === undefined ? {} : { key: read("tls.key_file", tls.keyFile).toString() }),
  };
}

function read(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CarillonError("failed_precondition", `${key}: cannot read the file: ${reason}`, { cause });
  }
}
