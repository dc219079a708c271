import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { HookForward } from "../../access/hooks/hook-caller.js";
import type { AdmittedClient, Arrival } from "../../clients/admission.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError, type ErrorCode } from "../../errors.js";
import { createBudgetRefusal, type OpenRequestLease } from "../../net/byte-budget.js";
import type { ClientAddress } from "../../net/client-address.js";
import { type CredentialPlaces, readCredential } from "./credential.js";
import { HeldSocket } from "./held-socket.js";
import { refuseUpgradeWith } from "./refuse.js";
import { forwardUpgrade } from "./told-upgrade.js";
import type { RouteFinder, WebSocketRoute } from "./vhost-paths.js";

/** How long a decision may take, in milliseconds. Whoever decides has shorter times for each thing that it asks. */
const DECISION_TIMEOUT = 10_000;

/** Decides whether a client may come in; at once where nobody else has to be asked. */
export type Admit = (arrival: Arrival) => AdmittedClient | Promise<AdmittedClient>;

/** A client that may come in. */
export interface PendingUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What has come behind the request. */
  readonly head: Buffer;
  readonly route: WebSocketRoute;
  readonly arrival: Arrival;
  readonly admitted: AdmittedClient;
}

export interface UpgradeAdmissionOptions {
  readonly routeAt: RouteFinder;
  /** @throws CarillonError the refusal; an HttpRefusal is answered with as it stands */
  readonly admit: Admit;
  /** Where upgrades of a vhost may carry a token. */
  readonly credentialsOf: (vhost: string) => CredentialPlaces;
  /** Parts of an upgrade that the vhost's backend is told in addition. */
  readonly forwardOf: (vhost: string) => readonly HookForward[];
  readonly clientAddress: ClientAddress;
  readonly nextId: () => string;
  /** Opens a lease for the bytes that a client sends while it waits. */
  readonly openLease: OpenRequestLease;
  /** How many clients are inside. */
  readonly inside: () => number;
  /** How many may be inside and at the door. */
  readonly limit: number;
  readonly clock: Clock;
  /** Told of errors that are faults of this server and not refusals. */
  readonly onFault: (cause: unknown) => void;
  /** Told the error's code of each refusal. */
  readonly onUpgradeRefused?: (code: ErrorCode) => void;
  /** Lets one in. @returns false where it does not come in: its handshake is malformed, say */
  readonly enter: (visit: PendingUpgrade) => boolean;
}

/** A client whose admission is waited for. */
interface Waiting {
  readonly socket: Duplex;
  readonly held: HeldSocket;
  readonly cancelTimeout: () => void;
}

/** Where upgrades are decided: which vhost, whose token, and whether that may come in. */
export class UpgradeAdmission {
  readonly #options: UpgradeAdmissionOptions;
  readonly #waiting = new Set<Waiting>();
  #closed = false;

  constructor(options: UpgradeAdmissionOptions) {
    this.#options = options;
  }

  /** How many wait for their admission. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes an upgrade whose origin has been checked: it is let in or refused, now or later. */
  knock(request: IncomingMessage, url: URL, socket: Duplex, head: Buffer): void {
    try {
      const { admit } = this.#options;
      const route = this.#routeAt(url.pathname);
      this.#checkRoom();
      const arrival = this.#arrival(request, url, route);
      const admitted = admit(arrival);
      if (admitted instanceof Promise) this.#wait(admitted, { request, socket, route, arrival }, url.pathname, head);
      else this.#enter({ request, socket, head, route, arrival, admitted });
    } catch (cause) {
      this.#refuse(socket, cause);
    }
  }

  /** Lets nobody in any more: those who wait are refused. */
  close(): void {
    this.#closed = true;
    for (const waiting of this.#waiting) this.#turnAway(waiting, stopping());
  }

  #routeAt(path: string): WebSocketRoute {
    const route = this.#options.routeAt(path);
    if (route === undefined) throw new CarillonError("not_found", `no WebSocket is offered at ${path}`);
    return route;
  }

  #checkRoom(): void {
    if (this.#closed) throw stopping();
    if (this.#options.inside() + this.#waiting.size >= this.#options.limit) {
      throw new CarillonError("unavailable", "this node has as many connections as it may have");
    }
  }

  #arrival(request: IncomingMessage, url: URL, { dialect, inPath, vhost }: WebSocketRoute): Arrival {
    const { clientAddress, credentialsOf, forwardOf, nextId } = this.#options;
    const { headers } = request;
    const places = credentialsOf(vhost);
    const guest = dialect.entry === "guest";
    // A dialect with tokens of its own takes them in its own place, and no others.
    const credential = guest ? undefined : (inPath?.token ?? readCredential(headers, url.searchParams, places));
    const forward = forwardOf(vhost);
    return {
      vhost,
      origin: {
        dialect: dialect.name,
        address: clientAddress(request),
        userAgent: headers["user-agent"] ?? "",
      },
      credential,
      guest,
      connectionId: nextId(),
      upgrade: forwardUpgrade({ request, url, shownPath: inPath?.shown, places, forward }),
    };
  }

  #wait(
    decision: Promise<AdmittedClient>,
    visit: Omit<PendingUpgrade, "admitted" | "head">,
    path: string,
    head: Buffer,
  ): void {
    const { clock, openLease } = this.#options;
    const { socket } = visit;
    const waiting: Waiting = {
      socket,
      held: new HeldSocket({
        socket,
        head,
        lease: openLease(visit.request, undefined),
        onGone: () => {
          this.#leave(waiting);
        },
        onOverloaded: () => {
          this.#turnAway(waiting, createBudgetRefusal());
        },
      }),
      cancelTimeout: clock.after(DECISION_TIMEOUT, () => {
        this.#turnAway(waiting, new CarillonError("unavailable", "it took too long to decide on this connection"));
      }),
    };
    this.#waiting.add(waiting);
    waiting.held.start();
    const refuse = (cause: unknown): void => {
      this.#turnAway(waiting, cause);
    };
    const enter = (admitted: AdmittedClient): void => {
      try {
        // The vhost may have been deleted meanwhile.
        this.#routeAt(path);
      } catch (cause) {
        refuse(cause);
      }
      if (this.#leave(waiting)) this.#enter({ ...visit, head: waiting.held.take(), admitted });
      // Too late: it has gone, or has been refused.
      else admitted.release();
    };
    void decision.then(enter, refuse);
  }

  #turnAway(waiting: Waiting, cause: unknown): void {
    if (!this.#leave(waiting)) return;
    waiting.held.take();
    this.#refuse(waiting.socket, cause);
  }

  /** @returns false when it is no longer waiting */
  #leave(waiting: Waiting): boolean {
    waiting.cancelTimeout();
    return this.#waiting.delete(waiting);
  }

  #enter(visit: PendingUpgrade): void {
    try {
      if (this.#options.enter(visit)) return;
    } catch (cause) {
      visit.socket.destroy();
      this.#options.onFault(cause);
    }
    visit.admitted.release();
  }

  #refuse(socket: Duplex, cause: unknown): void {
    const error = CarillonError.from(cause);
    if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
    this.#options.onUpgradeRefused?.(error.code);
    refuseUpgradeWith(socket, error);
  }
}

function stopping(): CarillonError {
  return new CarillonError("unavailable", "this node is stopping");
}
