import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { AdmissionRequest, AdmittedClient } from "../../clients/admission.js";
import type { Clock } from "../../core/ports.js";
import type { RouteFinder, WebSocketRoute } from "../../dialects/routes.js";
import { CarillonError, type ErrorCode } from "../../errors.js";
import { createBudgetRefusal, type OpenRequestLease } from "../../net/byte-budget.js";
import { type AdmissionRequestOptions, createStoppingError, toAdmissionRequest } from "./admission-request.js";
import { HeldSocket } from "./held-socket.js";
import { PendingDecision } from "./pending-decision.js";
import { refuseUpgradeWith } from "./refuse.js";

/** An upgrade whose client has been admitted, before the handshake. */
export interface PendingUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes that arrived after the request. */
  readonly head: Buffer;
  readonly route: WebSocketRoute;
  readonly admissionRequest: AdmissionRequest;
  readonly admitted: AdmittedClient;
}

export interface UpgradeAdmissionOptions extends AdmissionRequestOptions {
  readonly routeAt: RouteFinder;
  /** Opens a lease for the bytes that a client sends while it waits. */
  readonly openLease: OpenRequestLease;
  readonly clock: Clock;
  /** Called for internal errors, not for refusals. */
  readonly onFault: (cause: unknown) => void;
  /** Called with the error's code for each refusal. */
  readonly onUpgradeRefused?: (code: ErrorCode) => void;
  /**
   * Performs the handshake and opens the session.
   * @returns false when the handshake fails, for example because it is malformed
   */
  readonly openSession: (upgrade: PendingUpgrade) => boolean;
}

/** Client whose admission is pending. */
interface Waiting {
  readonly socket: Duplex;
  readonly held: HeldSocket;
  readonly pending: PendingDecision;
}

/** Decides on upgrades: finds the vhost and the token, and admits or refuses the client. */
export class UpgradeAdmission {
  readonly #options: UpgradeAdmissionOptions;
  readonly #waiting = new Set<Waiting>();
  #closed = false;

  constructor(options: UpgradeAdmissionOptions) {
    this.#options = options;
  }

  /** Number of clients whose admission is pending. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Admits or refuses an upgrade whose origin has been checked, now or later. */
  handle(request: IncomingMessage, url: URL, socket: Duplex, head: Buffer): void {
    try {
      const route = this.#findRoute(url.pathname);
      if (this.#closed) throw createStoppingError();
      this.#options.handshakes.admit(this.#waiting.size);
      const admissionRequest = toAdmissionRequest(this.#options, request, url, route);
      const admitted = this.#options.admission.admit(admissionRequest);
      if (admitted instanceof Promise)
        this.#wait(admitted, { request, socket, route, admissionRequest }, url.pathname, head);
      else this.#openSession({ request, socket, head, route, admissionRequest, admitted });
    } catch (cause) {
      this.#refuse(socket, cause);
    }
  }

  /** Refuses all further clients, and those whose admission is pending. */
  close(): void {
    this.#closed = true;
    for (const waiting of this.#waiting) this.#refuseWaiting(waiting, createStoppingError());
  }

  #findRoute(path: string): WebSocketRoute {
    const route = this.#options.routeAt(path);
    if (route === undefined) throw new CarillonError("not_found", `no WebSocket endpoint at ${path}`);
    return route;
  }

  #wait(
    decision: Promise<AdmittedClient>,
    upgrade: Omit<PendingUpgrade, "admitted" | "head">,
    path: string,
    head: Buffer,
  ): void {
    const { clock, openLease } = this.#options;
    const { request, socket } = upgrade;
    const held = new HeldSocket({
      socket,
      head,
      lease: openLease(request, undefined),
      onGone: () => {
        this.#abandon(waiting);
      },
      onOverloaded: () => {
        this.#refuseWaiting(waiting, createBudgetRefusal());
      },
    });
    const pending = new PendingDecision(decision, clock, {
      onAdmitted: (admitted) => {
        this.#waiting.delete(waiting);
        this.#openLateSession({ ...upgrade, head: held.take(), admitted }, path);
      },
      onRefused: (cause) => {
        this.#waiting.delete(waiting);
        held.take();
        this.#refuse(socket, cause);
      },
    });
    const waiting: Waiting = { socket, held, pending };
    this.#waiting.add(waiting);
    held.start();
  }

  /** Admits a client that waited, unless its vhost has been deleted meanwhile. */
  #openLateSession(upgrade: PendingUpgrade, path: string): void {
    try {
      this.#findRoute(path);
    } catch (cause) {
      this.#refuse(upgrade.socket, cause);
      upgrade.admitted.release();
      return;
    }
    this.#openSession(upgrade);
  }

  #refuseWaiting(waiting: Waiting, cause: unknown): void {
    if (!this.#abandon(waiting)) return;
    waiting.held.take();
    this.#refuse(waiting.socket, cause);
  }

  /** @returns false when the client no longer waits */
  #abandon(waiting: Waiting): boolean {
    this.#waiting.delete(waiting);
    return waiting.pending.abandon();
  }

  #openSession(upgrade: PendingUpgrade): void {
    try {
      if (this.#options.openSession(upgrade)) return;
    } catch (cause) {
      upgrade.socket.destroy();
      this.#options.onFault(cause);
    }
    upgrade.admitted.release();
  }

  #refuse(socket: Duplex, cause: unknown): void {
    const error = CarillonError.from(cause);
    if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
    this.#options.onUpgradeRefused?.(error.code);
    refuseUpgradeWith(socket, error);
  }
}
