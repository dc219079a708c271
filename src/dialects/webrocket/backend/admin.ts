import type { IncomingMessage, ServerResponse } from "node:http";
import { CarillonError, HTTP_STATUS } from "../../../errors.js";
import type { AnswerBudget, AnswerLease } from "../../../rpc/answer-budget.js";
import { answerJson, setRetryAfter } from "../../backend-http.js";
import { isSecret } from "../access.js";
import { AdminRefusal, type AdminServices, MethodRefusal, operate } from "./admin-operations.js";
import { type AdminResource, describeAdminResource, findAdminResources } from "./admin-path.js";

/** Budget key of all callers of the interface, because they share one secret. No backend has the same key. */
const CALLER = "webrocket admin";

export interface WebrocketAdminOptions extends AdminServices {
  /** Secret that callers present in the header `X-WebRocket-Cookie`. */
  readonly cookie: string;
  /** Counts the bytes of answers. */
  readonly answers: AnswerBudget;
  /** Receives errors that are faults of this server, not refusals. */
  readonly onFault: (cause: unknown) => void;
}

/** WebRocket's admin interface: vhosts with their tokens, channels and workers. It does not include the default vhost. */
export class WebrocketAdmin {
  readonly #options: WebrocketAdminOptions;

  constructor(options: WebrocketAdminOptions) {
    this.#options = options;
  }

  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    void this.#handle(request, response);
  };

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let lease: AnswerLease | undefined;
    try {
      this.#checkCookie(request);
      lease = this.#options.answers.open(CALLER);
      const { method = "", url = "/" } = request;
      const { vhosts } = this.#options;
      const place = chooseResource(
        method,
        findAdminResources(url.replace(/[?#].*/s, ""), (path) => vhosts.get(path) !== undefined),
      );
      const { body, location, status } = await operate(method, place, this.#options);
      if (location !== undefined) response.setHeader("location", location);
      lease.spend(answerJson(request, response, status, body));
    } catch (cause) {
      const error = CarillonError.from(cause);
      if (error.code === "internal") this.#options.onFault(cause);
      if (error instanceof MethodRefusal) response.setHeader("allow", error.allow);
      setRetryAfter(response, error);
      answerJson(request, response, toAdminStatus(error), { error: error.message });
    } finally {
      lease?.settle();
    }
  }

  #checkCookie({ headers }: IncomingMessage): void {
    const shown = headers["x-webrocket-cookie"];
    if (typeof shown === "string" && isSecret(shown, this.#options.cookie)) return;
    throw new AdminRefusal("permission_denied", "the header X-WebRocket-Cookie is missing or wrong");
  }
}

/**
 * Chooses the resource that a path names. For an ambiguous path, reads use the vhost with the longest path. Changes are
 * refused, because they might delete the wrong vhost.
 */
function chooseResource(method: string, places: readonly AdminResource[]): AdminResource {
  const [place, other] = places;
  if (place === undefined) throw new AdminRefusal("invalid_argument", "invalid path");
  if (other === undefined || method === "GET" || method === "HEAD") return place;
  const text = `ambiguous path: ${places.map(describeAdminResource).join(", or ")}: nothing was changed`;
  throw new AdminRefusal("failed_precondition", text, 409);
}

/** Returns the HTTP status of an error. Changing a configured vhost, or one that has just been changed, is a conflict. */
function toAdminStatus(error: CarillonError): number {
  if (error instanceof AdminRefusal) return error.status;
  return error.code === "failed_precondition" ? 409 : HTTP_STATUS[error.code];
}
