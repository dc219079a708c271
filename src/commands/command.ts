import type { Present } from "../core/notice.js";
import type { CarillonError } from "../errors.js";

/** A request of a client, the same for every dialect. Dialects decode their frames to commands. */
export type Command =
  | JoinCommand
  | LeaveCommand
  | PublishCommand
  | CallCommand
  | TriggerCommand
  | PresenceCommand
  | AuthenticateCommand
  | CloseCommand
  | IdleCommand;

export interface JoinCommand {
  readonly kind: "join";
  /** "" for the vhost's default. */
  readonly broker: string;
  readonly topics: readonly string[];
  /** A channel token that opens the topics where permissions do not; undefined for none. */
  readonly auth: string | undefined;
  /** Exclusive group: other topics joined through it are left; undefined for none. */
  readonly group: string | undefined;
  /** Whether the client is invisible in presence; undefined: unchanged, and visible at first. */
  readonly hidden: boolean | undefined;
  /** Whether the client watches presence; undefined: unchanged, and off at first. */
  readonly presence: boolean | undefined;
  /** Information about the client for other members, as JSON text of an object; undefined: that of its token. */
  readonly info?: string | undefined;
  /** Whether to refuse (already_exists) where the client is in one of the topics. */
  readonly once?: boolean | undefined;
  /** Whether the result lists the members before the join. Needs exactly one topic. */
  readonly listed?: boolean | undefined;
}

export interface LeaveCommand {
  readonly kind: "leave";
  readonly broker: string;
  readonly topics: readonly string[];
  /** Whether to refuse topics that the client is not in (failed_precondition), or that do not exist (not_found). */
  readonly strict?: boolean | undefined;
  /** Data that watchers get when the client has left, merged into its information: JSON text of an object. */
  readonly farewell?: string | undefined;
}

export interface PublishCommand {
  readonly kind: "publish";
  readonly broker: string;
  readonly topics: readonly string[];
  readonly payload: Uint8Array;
  /** "" for none. */
  readonly event: string;
  /** Event of a task that gets the payload once it has been published; "" for none. */
  readonly trigger: string;
  /** Whether to refuse (failed_precondition) where the client is not in all of the topics. */
  readonly inside?: boolean | undefined;
}

/** A call of a worker. */
export interface CallCommand {
  readonly kind: "call";
  readonly event: string;
  readonly payload: Uint8Array;
  /** In milliseconds; undefined for the default. */
  readonly timeout: number | undefined;
  /** Token whose bearer makes this call in place of the client; undefined for none. */
  readonly token?: string | undefined;
}

/** Task for a worker, whose outcome is not reported. */
export interface TriggerCommand {
  readonly kind: "trigger";
  readonly event: string;
  readonly payload: Uint8Array;
}

/** Asks for the members of a topic. */
export interface PresenceCommand {
  readonly kind: "presence";
  readonly broker: string;
  readonly topics: readonly string[];
}

/** A fresh token on a live connection. */
export interface AuthenticateCommand {
  readonly kind: "authenticate";
  readonly token: string;
  /** Whether a valid token may be of another user, who leaves all topics of the one before. */
  readonly anew?: boolean | undefined;
}

/** Asks for the end of the connection, which is answered and then closed with 1000. */
export interface CloseCommand {
  readonly kind: "close";
  /** As in {@link LeaveCommand}. */
  readonly farewell?: string | undefined;
}

/** A sign of life. Every client may send it. */
export interface IdleCommand {
  readonly kind: "idle";
}

/**
 * The outcome of a command. Each command is answered once, unless the session ends before; only a call may be answered in
 * several parts.
 */
export type Outcome =
  | { readonly ok: true; readonly result?: Result | undefined }
  | { readonly ok: false; readonly error: CarillonError };

/** The result of a command that has more to report than success. */
export type Result =
  /** A join through a group: the topics that were left. */
  | { readonly kind: "left"; readonly topics: readonly string[] }
  /** A call: a part of the answer. */
  | { readonly kind: "part"; readonly payload: Uint8Array; readonly more: boolean }
  /** A publish. */
  | { readonly kind: "published"; readonly id: string; readonly time: number }
  /** A join with `listed`: the visible members before it; `more` where some are left out. */
  | { readonly kind: "among"; readonly members: readonly Present[]; readonly more: boolean }
  /** An authenticate. */
  | { readonly kind: "identified"; readonly user: string | undefined }
  | PresentResult;

/** The members of a topic. */
export interface PresentResult {
  readonly kind: "present";
  readonly topic: string;
  readonly count: number;
  readonly users: number;
  /** Visible members; `more` where some are left out. */
  readonly members: readonly Present[];
  readonly more: boolean;
}

/** Sends an answer, which reaches the client before anything that happens later. */
export type Reply = (outcome: Outcome) => void;
