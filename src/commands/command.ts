import type { Present } from "../core/notice.js";
import type { CarillonError } from "../errors.js";

/** What a client can ask for, the same for every dialect. A dialect makes these out of wire text. */
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
  /** What else is joined through this exclusive group is left; undefined for none. */
  readonly group: string | undefined;
  /** Whether the client is neither listed nor counted; undefined: as it is, and at first it is. */
  readonly hidden: boolean | undefined;
  /** Whether it is told who comes and goes; undefined: as it is, and at first it is not. */
  readonly presence: boolean | undefined;
  /** Information about the client that others in these topics get: JSON text of an object; undefined: that of its token. */
  readonly info?: string | undefined;
  /** True: refused (already_exists) where the client is in one of the topics. */
  readonly once?: boolean | undefined;
  /** True: who is in the topic already is in the result. Of exactly one topic. */
  readonly listed?: boolean | undefined;
}

export interface LeaveCommand {
  readonly kind: "leave";
  readonly broker: string;
  readonly topics: readonly string[];
  /** True: refused (failed_precondition) where the client is not in one of the topics, and not_found where it is none. */
  readonly strict?: boolean | undefined;
  /** JSON text of an object. Told to those who are told that it has left, with what they were told of it before. */
  readonly farewell?: string | undefined;
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
  /** True: refused (failed_precondition) where the client is not in all of the topics. */
  readonly inside?: boolean | undefined;
}

/** A request to a worker. */
export interface CallCommand {
  readonly kind: "call";
  readonly event: string;
  readonly payload: Uint8Array;
  /** In milliseconds; undefined for the usual. */
  readonly timeout: number | undefined;
  /** Its bearer makes this one call in the place of the client; undefined: the client does. */
  readonly token?: string | undefined;
}

/** Something that a worker is to do, and nobody waits for. */
export interface TriggerCommand {
  readonly kind: "trigger";
  readonly event: string;
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
  /** True: with a good token, whoever was authenticated before leaves all topics, and may be another user from now on. */
  readonly anew?: boolean | undefined;
}

/** The client wants to be disconnected. Answered, and then closed with 1000. */
export interface CloseCommand {
  readonly kind: "close";
  /** As a leave's. */
  readonly farewell?: string | undefined;
}

/** A sign of life, which asks for nothing but perhaps an answer. Whoever may do nothing else may do this. */
export interface IdleCommand {
  readonly kind: "idle";
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
  /** Of a publish. */
  | { readonly kind: "published"; readonly id: string; readonly time: number }
  /** Of a join that asked who is there: those who were before it, but for the hidden; not all where there are more. */
  | { readonly kind: "among"; readonly members: readonly Present[]; readonly more: boolean }
  /** Of an authenticate. */
  | { readonly kind: "identified"; readonly user: string | undefined }
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
