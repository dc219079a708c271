import type { IncomingMessage, ServerResponse } from "node:http";
import type { AdmissionRequest, AdmittedClient } from "../../clients/admission.js";
import type { Clock } from "../../core/ports.js";
import type { RouteFinder } from "../../dialects/routes.js";
import { CarillonError, type ErrorCode } from "../../errors.js";
import { type AdmissionRequestOptions, createStoppingError, toAdmissionRequest } from "./admission-request.js";
import { PendingDecision } from "./pending-decision.js";
import { refuseRequestWith } from "./refuse.js";

/** Request of a client that has been admitted. Its response has not begun. */
export interface AdmittedClientRequest {
  readonly response: ServerResponse;
  readonly admissionRequest: AdmissionRequest;
  readonly admitted: AdmittedClient;
}

export interface RequestAdmissionOptions extends AdmissionRequestOptions {
  readonly routeAt: RouteFinder;
  readonly clock: Clock;
  /** Called for internal errors, not for refusals. */
  readonly onFault: (cause: unknown) => void;
  /** Called with the error's code for each refusal. */
  readonly onRefused: (code: ErrorCode) => void;
}

/** Request whose admission is pending. */
interface WaitingRequest {
  readonly response: ServerResponse;
  readonly pending: PendingDecision;
}

/** Decides on clients that connect with a plain HTTP request: finds the vhost and the token, and admits or refuses the client. */
export class RequestAdmission {
  readonly #options: RequestAdmissionOptions;
  readonly #waiting = new Set<WaitingRequest>();
  #closed = false;

  constructor(options: RequestAdmissionOptions) {
    this.#options = options;
  }

  /** Number of clients whose admission is pending. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Admits or refuses a client whose origin has been checked, now or later. A client that disconnects meanwhile is released.
   * @param openSession - called when the client is admitted; if it throws, the client is refused and released
   */
  handle(
    request: IncomingMessage,
    url: URL,
    response: ServerResponse,
    openSession: (client: AdmittedClientRequest) => void,
  ): void {
    try {
      const route = this.#options.routeAt(url.pathname);
      if (route === undefined) throw new CarillonError("not_found", `not found: ${url.pathname}`);
      if (this.#closed) throw createStoppingError();
      this.#options.handshakes.admit(this.#waiting.size);
      const admissionRequest = toAdmissionRequest(this.#options, request, url, route);
      const decision = this.#options.admission.admit(admissionRequest);
      const open = (admitted: AdmittedClient): void =>
        this.#openSession({ response, admissionRequest, admitted }, openSession);
      if (decision instanceof Promise) this.#wait(decision, response, open);
      else open(decision);
    } catch (cause) {
      this.refuse(response, cause);
    }
  }

  /** Refuses all further clients, and those whose admission is pending. */
  close(): void {
    this.#closed = true;
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      if (waiting.pending.abandon()) this.refuse(waiting.response, createStoppingError());
    }
  }

  /** Answers a request with the refusal of its client. */
  refuse(response: ServerResponse, cause: unknown): void {
    const error = CarillonError.from(cause);
    if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
    this.#options.onRefused(error.code);
    refuseRequestWith(response, error);
  }

  #wait(decision: Promise<AdmittedClient>, response: ServerResponse, open: (admitted: AdmittedClient) => void): void {
    const onGone = (): void => {
      this.#waiting.delete(waiting);
      waiting.pending.abandon();
    };
    const forget = (): void => {
      this.#waiting.delete(waiting);
      response.off("close", onGone);
    };
    const pending = new PendingDecision(decision, this.#options.clock, {
      onAdmitted: (admitted) => {
        forget();
        open(admitted);
      },
      onRefused: (cause) => {
        forget();
        this.refuse(response, cause);
      },
    });
    const waiting: WaitingRequest = { response, pending };
    this.#waiting.add(waiting);
    response.once("close", onGone);
  }

  #openSession(client: AdmittedClientRequest, openSession: (client: AdmittedClientRequest) => void): void {
    try {
      openSession(client);
    } catch (cause) {
      client.admitted.release();
      this.refuse(client.response, cause);
    }
  }
}
