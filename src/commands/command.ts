import type { Present } from "../core/notice.js";
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
  /** What else is joined through this exclusive group is left; undefined for none. */
  readonly group: string | undefined;
  /** Whether the client is neither listed nor counted; undefined: as it is, and at first it is. */
  readonly hidden: boolean | undefined;
  /** Whether it is told who comes and goes; undefined: as it is, and at first it is not. */
  readonly presence: boolean | undefined;
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
  /** The event of a worker that gets the payload as a task when it has been published; "" for none. */
  readonly trigger: string;
}

/** A request to a worker. */
export interface CallCommand {
  readonly kind: "call";
  readonly event: string;
  readonly payload: Uint8Array;
  /** In milliseconds; undefined for the usual. */
  readonly timeout: number | undefined;
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

/**
 * How a command ended. Each command is answered once, unless the session ends before; only a call may be answered in several
 * parts.
 */
export type Outcome =
  | { readonly ok: true; readonly result?: Result | undefined }
  | { readonly ok: false; readonly error: CarillonError };

/** What there is to be told beside that it was done. */
export type Result =
  /** Of a join through a group: what was left for it. */
  | { readonly kind: "left"; readonly topics: readonly string[] }
  /** Of a call. */
  | { readonly kind: "part"; readonly payload: Uint8Array; readonly more: boolean }
  | PresentResult;

/** Who is in a topic. */
export interface PresentResult {
  readonly kind: "present";
  readonly topic: string;
  readonly count: number;
  readonly users: number;
  /** Not all of them, where there are more. */
  readonly members: readonly Present[];
  readonly more: boolean;
}

/** Sends the answer. It reaches the client before anything that happens after the call. */
export type Reply = (outcome: Outcome) => void;
