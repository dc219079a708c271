import type { IncomingMessage, ServerResponse } from "node:http";
import { backendId } from "../../../access/keys/backend.js";
import { CarillonError } from "../../../errors.js";
import type { ByteLease, OpenRequestLease } from "../../../net/byte-budget.js";
import { answerPreflight } from "../../../net/http-handler.js";
import type { AnswerLease } from "../../../rpc/answer-budget.js";
import { answerJson, setRetryAfter, toHttpStatus } from "../../backend-http.js";
import { type AdmittedBackend, admit, type StreamAuthorizer } from "./admit.js";

/** Request of an admitted backend. */
export interface RestCall extends AdmittedBackend {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Counts the body while it is read. */
  readonly lease: ByteLease;
  /** Counts the answer; undefined if it is not counted. */
  readonly answerLease: AnswerLease | undefined;
}

/** HTTP method of a path. Its handler throws a refusal before it sends any part of the answer. */
export interface RestMethod {
  readonly action: AdmittedBackend["action"];
  readonly handle: (call: RestCall) => Promise<void>;
}

export interface RestCallOptions {
  readonly authorizer: StreamAuthorizer;
  readonly openLease: OpenRequestLease;
  readonly originAllowed: (origin: string | undefined, host: string | undefined) => boolean;
  /** Receives errors that are faults of this server, not refusals. */
  readonly onFault: (cause: unknown) => void;
}

/** Creates the handler of one path. Refusals are answered with `{"detail":…}`. */
export function createMethodsHandler(
  methods: ReadonlyMap<string, RestMethod>,
  { authorizer, onFault, openLease, originAllowed }: RestCallOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const names = [...methods.keys()].join(", ");
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { host, origin } = request.headers;
    if (!originAllowed(origin, host)) {
      throw new CarillonError("permission_denied", `origin not allowed: ${origin ?? ""}`);
    }
    if (answerCors(request, response, names)) return;
    const method = methods.get(request.method ?? "");
    if (method === undefined) {
      response.setHeader("allow", names);
      answerJson(request, response, METHOD_NOT_ALLOWED, {
        detail: `${request.method ?? ""} is not supported for this path`,
      });
      return;
    }
    const admitted = admit(authorizer, request, method.action);
    const answerLease = authorizer.openAnswer(admitted.backend, method.action);
    const lease = openLease(request, backendId(admitted.backend));
    try {
      await method.handle({ request, response, lease, answerLease, ...admitted });
    } finally {
      answerLease?.settle();
    }
  };
  return (request, response) => {
    serve(request, response).catch((cause: unknown) => {
      refuse(request, response, cause, onFault);
    });
  };
}

/** Source: RFC 9110 §15.5. */
const METHOD_NOT_ALLOWED = 405;

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  cause: unknown,
  onFault: RestCallOptions["onFault"],
): void {
  const error = CarillonError.from(cause);
  const { code, message } = error;
  if (code === "internal") onFault(cause);
  // The caller has disconnected, or has received a part of the answer. Closing the connection marks that part as incomplete.
  if (code === "cancelled" || response.headersSent) {
    response.destroy();
    return;
  }
  // This status requires a header with the authentication scheme. Source: RFC 9110 §15.5.2.
  if (code === "unauthenticated") response.setHeader("www-authenticate", "Key");
  setRetryAfter(response, error);
  answerJson(request, response, toHttpStatus(error), { detail: message });
}

/**
 * Lets a page of a checked origin read the answer, and answers the preflight request of its browser.
 * @returns whether the request was a preflight request, which has been answered
 */
function answerCors(request: IncomingMessage, response: ServerResponse, methods: string): boolean {
  const { origin } = request.headers;
  response.setHeader("vary", "origin");
  if (origin === undefined) return false;
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", "*");
  if (request.method !== "OPTIONS") return false;
  answerPreflight(request, response, methods);
  return true;
}
