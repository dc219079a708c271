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
 * Creates the authenticator, and checks its files as far as possible without a server.
 * @throws CarillonError failed_precondition for a file that is unreadable or has invalid content
 */
export function createNatsAuthenticator(options: NatsOptions): Authenticator {
  const { credsFile, nkeyFile, password, passwordFile, token, tokenFile, user } = options;
  // The library would detect an invalid file only when it connects, and would then retry forever, so the file is read
  // and used once here. It is read again for every connection, because credentials are renewed while a node runs.
  if (credsFile !== undefined) {
    const creds = (): Uint8Array => readSecret("creds_file", credsFile);
    return checkAuthenticator("creds_file", credsAuthenticator(creds));
  }
  if (nkeyFile !== undefined) {
    const seed = (): Uint8Array => Buffer.from(readSecret("nkey_file", nkeyFile).toString("latin1").trim());
    return checkAuthenticator("nkey_file", nkeyAuthenticator(seed));
  }
  if (tokenFile !== undefined) {
    return checkAuthenticator(
      "token_file",
      tokenAuthenticator(() => readSecretText("token_file", tokenFile)),
    );
  }
  if (token !== undefined) return tokenAuthenticator(token);
  if (user !== undefined && passwordFile !== undefined) {
    const readPassword = (): string => readSecretText("password_file", passwordFile);
    return checkAuthenticator("password_file", usernamePasswordAuthenticator(user, readPassword));
  }
  if (user !== undefined) return usernamePasswordAuthenticator(user, password);
  return findAuthenticatorInUrl(options.servers);
}

function findAuthenticatorInUrl(servers: readonly string[]): Authenticator {
  try {
    const url = servers.map((server) => new URL(server)).find(({ username }) => username !== "");
    if (url === undefined) return () => {};
    const user = decodeURIComponent(url.username);
    if (url.password === "") return tokenAuthenticator(user);
    return usernamePasswordAuthenticator(user, decodeURIComponent(url.password));
  } catch {
    // The URL is not shown, because it may contain a password.
    throw new CarillonError("failed_precondition", "servers: malformed URL");
  }
}

function checkAuthenticator(key: string, authenticator: Authenticator): Authenticator {
  try {
    authenticator("a nonce");
  } catch (cause) {
    if (cause instanceof CarillonError) throw cause;
    // The library's text is not shown, because it may quote the file's content.
    throw new CarillonError("failed_precondition", `${key}: not a NATS credentials file`);
  }
  return authenticator;
}

/**
 * Reads the TLS options; undefined leaves the choice to the server.
 * @throws CarillonError failed_precondition for an unreadable file
 */
export function readTlsOptions({ servers, tls }: NatsOptions): TlsOptions | undefined {
  // The library ignores the scheme: without options it would connect unencrypted to a server that offers no TLS.
  if (tls === undefined) return servers.some((server) => server.startsWith("tls:")) ? {} : undefined;
  return {
    ...(tls.caFile === undefined ? {} : { ca: readSecret("tls.ca_file", tls.caFile).toString() }),
    ...(tls.certFile === undefined ? {} : { cert: readSecret("tls.cert_file", tls.certFile).toString() }),
    ...(tls.keyFile === undefined ? {} : { key: readSecret("tls.key_file", tls.keyFile).toString() }),
  };
}

/** Reads a file without the final line break that editors add. */
function readSecretText(key: string, path: string): string {
  return readSecret(key, path)
    .toString()
    .replace(/\r?\n$/, "");
}

function readSecret(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new CarillonError("failed_precondition", `${key}: cannot read the file: ${errorText(cause)}`, { cause });
  }
}
