import type { HistoryPage, HistoryQuery, RecoveryFailure } from "../core/history.js";
import type { Present } from "../core/notice.js";
import type { CarillonError } from "../errors.js";

/** Maximum number of members in one answer or presence frame. */
export const MAX_LISTED_MEMBERS = 1_000;

/** A request of a client, the same for every dialect. Dialects decode their frames to commands. */
export type Command =
  | JoinCommand
  | LeaveCommand
  | PublishCommand
  | CallCommand
  | TriggerCommand
  | PresenceCommand
  | HistoryCommand
  | AuthenticateCommand
  | CloseCommand
  | IdleCommand;

export interface JoinCommand {
  readonly kind: "join";
  /** "" for the vhost's default. */
  readonly broker: string;
  readonly topics: readonly string[];
  /** Channel token that permits the join where permissions do not; undefined for none. */
  readonly auth: string | undefined;
  /** Exclusive group: the client leaves other topics that it joined only through this group. Undefined for none. */
  readonly group: string | undefined;
  /** Whether the client is invisible in presence. Undefined: unchanged; initially visible. */
  readonly hidden: boolean | undefined;
  /** Whether the client watches presence. Undefined: unchanged; initially off. */
  readonly presence: boolean | undefined;
  /** Information about the client for other members: JSON text of an object. Undefined: that of its principal. */
  readonly info?: string | undefined;
  /** Whether to refuse the join (already_exists) if the client is already in one of the topics. */
  readonly once?: boolean | undefined;
  /** Whether the result lists the other members. Needs exactly one topic. */
  readonly listed?: boolean | undefined;
  /** Stored messages to send before the live ones. Undefined: none, and the result has no positions. */
  readonly replay?: ReplayRequest | undefined;
}

/** Stored messages that a join requests. A topic without history has none. */
export interface ReplayRequest {
  /** Positions after which to recover, by topic. Each topic must be among the topics of the join. */
  readonly recover: ReadonlyMap<string, string>;
  /** Rewind of the topics that are not recovered: at most `limit` messages, not older than `since`. Undefined: none. */
  readonly latest: { readonly limit: number; readonly since: number | undefined } | undefined;
}

export interface LeaveCommand {
  readonly kind: "leave";
  readonly broker: string;
  readonly topics: readonly string[];
  /** Whether to refuse topics that the client is not in (failed_precondition), or that do not exist (not_found). */
  readonly strict?: boolean | undefined;
  /** Data for watchers when the client has left, merged into its information: JSON text of an object. */
  readonly leaveInfo?: string | undefined;
}

export interface PublishCommand {
  readonly kind: "publish";
  readonly broker: string;
  readonly topics: readonly string[];
  readonly payload: Uint8Array;
  /** "" for none. */
  readonly event: string;
  /** Event of a task to start with the payload once it has been published; "" for none. */
  readonly trigger: string;
  /** Id that the client chose for the message, so that a repeat is no duplicate. Absent or "": the server chooses one. */
  readonly messageId?: string | undefined;
  /** Whether to refuse the publish (failed_precondition) if the client is not in all of the topics. */
  readonly membersOnly?: boolean | undefined;
}

/** A call of a worker. */
export interface CallCommand {
  readonly kind: "call";
  readonly event: string;
  readonly payload: Uint8Array;
  /** In milliseconds; undefined for the default. */
  readonly timeout: number | undefined;
  /** Token of another principal, as which the client makes this call; undefined for none. */
  readonly token?: string | undefined;
}

/** A task for a worker. Its outcome is not reported to the client. */
export interface TriggerCommand {
  readonly kind: "trigger";
  readonly event: string;
  readonly payload: Uint8Array;
}

/** A request for the members of a topic. */
export interface PresenceCommand {
  readonly kind: "presence";
  readonly broker: string;
  readonly topics: readonly string[];
}

/** A request for a page of a topic's stored messages. */
export interface HistoryCommand {
  readonly kind: "history";
  readonly broker: string;
  readonly topics: readonly string[];
  readonly query: HistoryQuery;
}

/** A fresh token on a live connection. */
export interface AuthenticateCommand {
  readonly kind: "authenticate";
  readonly token: string;
  /** Whether the token may name another user. The client then leaves all topics of the previous user. */
  readonly switchUser?: boolean | undefined;
}

/** A request to end the connection. It is answered, and the connection is then closed with code 1000. */
export interface CloseCommand {
  readonly kind: "close";
  /** As in {@link LeaveCommand}. */
  readonly leaveInfo?: string | undefined;
}

/** A heartbeat. Every client may send it. */
export interface IdleCommand {
  readonly kind: "idle";
}

/**
 * The outcome of a command. Each command gets one answer, unless the session ends before. Only a call may be answered in
 * several parts.
 */
export type Outcome =
  | { readonly ok: true; readonly result?: Result | undefined }
  | { readonly ok: false; readonly error: CarillonError };

/** The result of a command that has more to report than success. */
export type Result =
  | JoinedResult
  | { readonly kind: "history"; readonly topic: string; readonly page: HistoryPage }
  /** Part of a call's answer. `more`: further parts follow. */
  | { readonly kind: "part"; readonly payload: Uint8Array; readonly more: boolean }
  /** Result of a publish: the message's id and time. */
  | { readonly kind: "published"; readonly id: string; readonly time: number }
  /** Result of a join with `listed`: the other visible members. `more`: some are left out. */
  | { readonly kind: "otherMembers"; readonly members: readonly Present[]; readonly more: boolean }
  /** Result of an authenticate: the user's id. */
  | { readonly kind: "identified"; readonly user: string | undefined }
  | PresentResult;

/** Result of a join through a group, or of a join that requested stored messages. */
export interface JoinedResult {
  readonly kind: "joined";
  /** Topics of the group that the client has left; undefined for a join without a group. */
  readonly left: readonly string[] | undefined;
  /** Replays of the topics with history; undefined if the join requested none. */
  readonly replays: ReadonlyMap<string, JoinedReplay> | undefined;
}

/** How a topic's history continues for a client that has joined. */
export interface JoinedReplay {
  /** Position of the newest message before the live ones that follow the replay. Undefined: the store does not answer. */
  readonly position: string | undefined;
  /** Whether the client requested a recovery. */
  readonly requested: boolean;
  /** Undefined if the recovery or rewind is complete. */
  readonly failure: RecoveryFailure | undefined;
}

/** The members of a topic. */
export interface PresentResult {
  readonly kind: "present";
  readonly topic: string;
  readonly count: number;
  readonly users: number;
  /** Visible members. `more`: some are left out. */
  readonly members: readonly Present[];
  readonly more: boolean;
}

/** Sends an answer. It reaches the client before anything that is sent later. */
export type Reply = (outcome: Outcome) => void;
