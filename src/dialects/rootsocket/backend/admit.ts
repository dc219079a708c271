import type { IncomingMessage } from "node:http";
import type { BackendAction } from "../../../access/decide/actions.js";
import { type Backend, type BackendCredentials, VHOST_HEADER } from "../../../access/keys/backend.js";
import { CarillonError } from "../../../errors.js";
import type { AnswerLease } from "../../../rpc/answer-budget.js";
import type { RequestAuthorizer } from "../../backend-http.js";

/** Decides which backend may call which operation, and which may keep a stream open. */
export interface StreamAuthorizer extends RequestAuthorizer {
  /**
   * Begins to count an answer. Returns undefined if it is not counted.
   * @throws CarillonError resource_exhausted: the backend has received too many bytes of answers
   */
  openAnswer(backend: Backend, action: BackendAction): AnswerLease | undefined;
  /**
   * Calls `onLost` once when the backend would no longer be admitted, or its topics have changed.
   * @returns stops watching
   */
  watch(grant: AdmittedBackend & { readonly onLost: (refusal: CarillonError) => void }): () => void;
}

/** Backend that was admitted to an action. */
export interface AdmittedBackend {
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
  readonly action: BackendAction;
}

/** Admits a backend by its key in `Authorization`, without the scheme `Bearer` that other interfaces require. */
export function admit(
  authorizer: RequestAuthorizer,
  { headers }: IncomingMessage,
  action: BackendAction,
): AdmittedBackend {
  const { authorization: key, [VHOST_HEADER]: vhost } = headers;
  const credentials = {
    authorization: key === undefined ? undefined : `Bearer ${key}`,
    certificate: undefined,
    vhost: typeof vhost === "string" ? vhost : undefined,
  };
  try {
    return { backend: authorizer.admit(credentials, action), credentials, action };
  } catch (cause) {
    const error = CarillonError.from(cause);
    if (error.code !== "unauthenticated") throw cause;
    // The authorizer's own text describes how other interfaces accept keys.
    const text = key === undefined ? "missing key: expected Authorization: KEY" : "unknown or revoked key";
    throw new CarillonError(error.code, text, { cause });
  }
}
