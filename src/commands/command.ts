import type { CarillonError } from "../errors.js";

/** What a client can ask for, the same for every dialect. A dialect makes these out of wire text. */
export type Command = JoinCommand | LeaveCommand | PublishCommand | CallCommand | PresenceCommand | AuthenticateCommand;

export interface JoinCommand {
  readonly kind: "join";
  /** "" for the vhost's default. */
  readonly broker: string;
  readonly topics: readonly string[];
  /** A channel token that opens the topics where permissions do not; undefined for none. */
  readonly auth: string | undefined;
}

export interface LeaveCommand {
  readonly kind: "leave";
  readonly broker: string;
  readonly topics: readonly string[];
}

export interface PublishCommand {
  readonly kind: "publish";
  readonly broker: string;
  readonly topics: readonly string[];
  readonly payload: Uint8Array;
  /** "" for none. */
  readonly event: string;
}

/** A request to a worker. */
export interface CallCommand {
  readonly kind: "call";
  readonly name: string;
  readonly payload: Uint8Array;
}

/** Who is there. */
export interface PresenceCommand {
  readonly kind: "presence";
  readonly broker: string;
  readonly topics: readonly string[];
}

/** A fresh token on a live connection. */
export interface AuthenticateCommand {
  readonly kind: "authenticate";
  readonly token: string;
}

/** How a command ended. Each command is answered once, unless the session ends before. */
export type Outcome = { readonly ok: true } | { readonly ok: false; readonly error: CarillonError };

/** Sends the answer. It reaches the client before anything that happens after the call. */
export type Reply = (outcome: Outcome) => void;
