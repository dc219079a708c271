import type { IncomingMessage, ServerResponse } from "node:http";
import { CarillonError, HTTP_STATUS } from "../../errors.js";
import { isSecret } from "../../vhosts/access-token.js";
import { answerJson } from "../http.js";
import { AdminRefusal, type AdminServices, MethodRefusal, operate } from "./admin-operations.js";
import { type Place, placesAt, placeText } from "./admin-path.js";

/** In characters; as the configuration has it. */
const SHORTEST_COOKIE = 16;

export interface WebrocketAdminOptions extends AdminServices {
  /** What has to be shown in the header `X-WebRocket-Cookie`: a secret. */
  readonly cookie: string;
  /** Told of what is no refusal but a fault of ours. */
  readonly onFault: (cause: unknown) => void;
}

/** @throws CarillonError invalid_argument: it is too short, as of an empty file */
export function checkCookie(cookie: string): void {
  if (cookie.length >= SHORTEST_COOKIE) return;
  throw new CarillonError(
    "invalid_argument",
    `webrocket.admin: expected a cookie of at least ${SHORTEST_COOKIE} characters`,
  );
}

/** WebRocket's admin interface: vhosts, their tokens and channels, and who works for them. The default vhost is not in it. */
export class WebrocketAdmin {
  readonly #options: WebrocketAdminOptions;

  /** @throws CarillonError invalid_argument: a cookie that is too short, as of an empty file */
  constructor(options: WebrocketAdminOptions) {
    checkCookie(options.cookie);
    this.#options = options;
  }

  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    void this.#handle(request, response);
  };

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.#checkCookie(request);
      const { method = "", url = "/" } = request;
      const { vhosts } = this.#options;
      const place = meant(
        method,
        placesAt(url.replace(/[?#].*/s, ""), (path) => vhosts.get(path) !== undefined),
      );
      const { body, location, status } = await operate(method, place, this.#options);
      if (location !== undefined) response.setHeader("location", location);
      answerJson(request, response, status, body);
    } catch (cause) {
      const error = CarillonError.from(cause);
      if (error.code === "internal") this.#options.onFault(cause);
      if (error instanceof MethodRefusal) response.setHeader("allow", error.allow);
      answerJson(request, response, statusOf(error), { error: error.message });
    }
  }

  #checkCookie({ headers }: IncomingMessage): void {
    const shown = headers["x-webrocket-cookie"];
    if (typeof shown === "string" && isSecret(shown, this.#options.cookie)) return;
    throw new AdminRefusal("permission_denied", "the header X-WebRocket-Cookie is missing or wrong");
  }
}

/** Reading takes the vhost with the longest path; what changes something is not guessed at: the wrong vhost might be deleted. */
function meant(method: string, places: readonly Place[]): Place {
  const [place, other] = places;
  if (place === undefined) throw new AdminRefusal("invalid_argument", "invalid path");
  if (other === undefined || method === "GET" || method === "HEAD") return place;
  const text = `this may mean ${places.map(placeText).join(", or ")}: nothing was changed`;
  throw new AdminRefusal("failed_precondition", text, 409);
}

/** What is so of a configured vhost, or of one that has just been changed otherwise, is a conflict. */
function statusOf(error: CarillonError): number {
  if (error instanceof AdminRefusal) return error.status;
  return error.code === "failed_precondition" ? 409 : HTTP_STATUS[error.code];
}
