import type { IncomingMessage } from "node:http";
import type { HookForward } from "../../../access/hooks/hook-caller.js";
import { HttpRefusal } from "../../../access/hooks/http-refusal.js";
import type { AdmissionRequest } from "../../../clients/admission.js";
import { RateLimited } from "../../../clients/limits/rate-limited.js";
import { CarillonError } from "../../../errors.js";
import { type CredentialPlaces, readCredential } from "../../../transport/admission/credential.js";
import { createForwardedUpgrade } from "../../../transport/admission/forwarded-upgrade.js";
import { parseRequestUrl } from "../../../transport/http/request-url.js";
import { CONNECTION, failureText } from "../event-values.js";

/** Connect request of a client for a namespace. */
export interface NamespaceConnect {
  readonly vhost: string;
  readonly dialect: string;
  readonly connectionId: string;
  readonly address: string;
  /** First request of the connection. */
  readonly request: IncomingMessage;
  /** Payload of the CONNECT packet. */
  readonly auth: Readonly<Record<string, unknown>>;
  readonly places: CredentialPlaces;
  /** Additional parts of the request to be forwarded to the vhost's backend. */
  readonly forward: readonly HookForward[];
}

/**
 * Converts a connect request to an admission request. A token in the connect request takes precedence over a token of the
 * connection, which all of its namespaces share.
 * @throws CarillonError invalid_argument for an invalid token, or different ones in one request
 */
export function createAdmissionRequest({
  address,
  auth,
  connectionId,
  dialect,
  forward,
  places,
  request,
  vhost,
}: NamespaceConnect): AdmissionRequest {
  const { headers } = request;
  const url = parseRequestUrl(request);
  const credential = readAuthToken(auth) ?? readCredential(headers, url.searchParams, { ...places, protocol: false });
  return {
    vhost,
    origin: { dialect, address, userAgent: headers["user-agent"] ?? "" },
    credential,
    mayAuthenticateLater: true,
    connectionId,
    upgrade: createForwardedUpgrade({ request, url, places, forward }),
  };
}

function readAuthToken({ token }: Readonly<Record<string, unknown>>): string | undefined {
  if (token === undefined || token === null || token === "") return undefined;
  if (typeof token !== "string") throw new CarillonError("invalid_argument", "auth.token: not a string");
  return token;
}

/**
 * Refusal of a connect request. The client gets the event `connect_error`; with Engine.IO 3 it gets the event `error`, with
 * the same members as for a refused command.
 */
export class ConnectError extends Error {
  readonly data: Readonly<Record<string, unknown>>;

  constructor(cause: CarillonError, protocol: number) {
    super(cause.message, { cause });
    const details = protocol === 3 ? JSON.parse(failureText(cause, CONNECTION)) : { code: cause.code };
    this.data = {
      ...(details as object),
      ...(cause instanceof HttpRefusal && { status: cause.status }),
      ...(cause instanceof RateLimited && { retry_after: cause.retryAfter }),
    };
  }
}
