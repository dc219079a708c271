import type { IncomingMessage } from "node:http";
import type { HookForward } from "../../access/hooks/hook-caller.js";
import type { AdmissionRequest, AdmittedClient } from "../../clients/admission.js";
import type { Handshakes } from "../../clients/handshakes.js";
import type { WebSocketRoute } from "../../dialects/routes.js";
import { CarillonError, chooseDelay, type RetryWindow } from "../../errors.js";
import type { ClientAddress } from "../../net/client-address.js";
import { type CredentialPlaces, readCredential } from "./credential.js";
import { createForwardedUpgrade } from "./forwarded-upgrade.js";

/** Decides on clients; clients/admission-control.ts implements it. */
export interface UpgradePolicy {
  /**
   * Admits a client; synchronously unless a backend must decide.
   * @throws CarillonError the refusal; the response of an HttpRefusal is sent unchanged
   */
  admit(admissionRequest: AdmissionRequest): AdmittedClient | Promise<AdmittedClient>;
  /** Returns where upgrades of a vhost may carry a token. */
  credentialSources(vhost: string): CredentialPlaces;
  /** Returns the parts of an upgrade that are also forwarded to the vhost's backend. */
  forwardedParts(vhost: string): readonly HookForward[];
}

/** Objects from which a listener creates the admission requests of all its clients. */
export interface AdmissionRequestOptions {
  readonly admission: UpgradePolicy;
  readonly handshakes: Pick<Handshakes, "admit">;
  readonly clientAddress: ClientAddress;
  readonly nextId: () => string;
}

/**
 * Creates the admission request for a client's HTTP request.
 * @throws CarillonError invalid_argument: different tokens; not_found: the vhost
 */
export function toAdmissionRequest(
  { admission, clientAddress, nextId }: AdmissionRequestOptions,
  request: IncomingMessage,
  url: URL,
  { dialect, inPath, vhost }: WebSocketRoute,
): AdmissionRequest {
  const { headers } = request;
  const places = admission.credentialSources(vhost);
  const mayAuthenticateLater = dialect.authentication === "later";
  // A dialect with its own tokens takes them in its own place only.
  const credential = mayAuthenticateLater
    ? undefined
    : (inPath?.token ?? readCredential(headers, url.searchParams, places));
  const forward = admission.forwardedParts(vhost);
  return {
    vhost,
    origin: {
      dialect: dialect.name,
      address: clientAddress(request),
      userAgent: headers["user-agent"] ?? "",
    },
    credential,
    mayAuthenticateLater,
    connectionId: nextId(),
    upgrade: createForwardedUpgrade({ request, url, shownPath: inPath?.shown, places, forward }),
  };
}

/** Period over which the clients that a stopped listener refuses should come back, in milliseconds. */
const RETRY: RetryWindow = { from: 1_000, to: 10_000 };

/** Creates the refusal of a listener that has stopped (unavailable). */
export function createStoppingError(): CarillonError {
  return new CarillonError("unavailable", "this node is stopping", { retryDelay: chooseDelay(RETRY) });
}
