import { readFileSync } from "node:fs";
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  type TlsOptions,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "nats";
import { CarillonError } from "../../errors.js";
import { errorText } from "../../util/native-error.js";
import type { NatsOptions } from "./options.js";

/**
 * How this node enters, checked as far as it can be without a server.
 * @throws CarillonError failed_precondition for a file that cannot be read or does not hold what it should
 */
export function createNatsAuthenticator(options: NatsOptions): Authenticator {
  const { credsFile, nkeyFile, password, token, user } = options;
  // The library would find a bad file at connecting only, and then try again for ever: read and sign once, here. It
  // is read again for every connection, because credentials are renewed while a node runs.
  if (credsFile !== undefined) {
    const creds = (): Uint8Array => read("creds_file", credsFile);
    return checked("creds_file", credsAuthenticator(creds));
  }
  if (nkeyFile !== undefined) {
    const seed = (): Uint8Array => Buffer.from(read("nkey_file", nkeyFile).toString("latin1").trim());
    return checked("nkey_file", nkeyAuthenticator(seed));
  }
  if (token !== undefined) return tokenAuthenticator(token);
  if (user !== undefined) return usernamePasswordAuthenticator(user, password);
  return authenticatorInUrl(options.servers);
}

function authenticatorInUrl(servers: readonly string[]): Authenticator {
  try {
    const url = servers.map((server) => new URL(server)).find(({ username }) => username !== "");
    if (url === undefined) return () => {};
    const user = decodeURIComponent(url.username);
    if (url.password === "") return tokenAuthenticator(user);
    return usernamePasswordAuthenticator(user, decodeURIComponent(url.password));
  } catch {
    // Not shown: there may be a password in it.
    throw new CarillonError("failed_precondition", "servers: one of them is not a well-formed URL");
  }
}

function checked(key: string, authenticator: Authenticator): Authenticator {
  try {
    authenticator("a nonce");
  } catch (cause) {
    if (cause instanceof CarillonError) throw cause;
    // The library's words may quote what it could not read.
    throw new CarillonError("failed_precondition", `${key}: the file does not hold what NATS writes into such files`);
  }
  return authenticator;
}

/**
 * How the connection is encrypted; undefined where the server may decide that.
 * @throws CarillonError failed_precondition for a file that cannot be read
 */
export function readTlsOptions({ servers, tls }: NatsOptions): TlsOptions | undefined {
  // The library ignores the scheme: without options it would follow a server that offers no TLS into the clear.
  if (tls === undefined) return servers.some((server) => server.startsWith("tls:")) ? {} : undefined;
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
    throw new CarillonError("failed_precondition", `${key}: cannot read the file: ${errorText(cause)}`, { cause });
  }
}
