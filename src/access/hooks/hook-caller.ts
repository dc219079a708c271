import type { IncomingHttpHeaders } from "node:http";

/** Events for which a backend's hook can be called. */
export const HOOK_EVENTS = ["connect", "join", "publish", "disconnect"] as const;

export type HookEvent = (typeof HOOK_EVENTS)[number];

/** Description of the client, for the backend. */
export interface HookSubject {
  readonly vhost: string;
  readonly connectionId: string;
  /** Undefined for an anonymous client. */
  readonly user: string | undefined;
  /** JSON text of an object. */
  readonly info: string;
  readonly dialect: string;
  readonly address: string;
}

/**
 * Parts of an upgrade request that a backend receives only if configured. `query`: the query, including a token in it.
 * `authorization`: the headers that may carry a token (`authorization`, cookies, subprotocols). `join`: the upgrade request
 * at each join.
 */
export const HOOK_FORWARDS = ["query", "authorization", "join"] as const;

export type HookForward = (typeof HOOK_FORWARDS)[number];

/** An upgrade request as forwarded to the backend. */
export interface ForwardedUpgrade {
  readonly method: string;
  readonly uri: string;
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  /** Parts that the settings forwarded when the request arrived. */
  readonly forwarded: readonly HookForward[];
}

export interface ConnectHookRequest extends Omit<ForwardedUpgrade, "forwarded"> {
  readonly client: HookSubject;
}

export interface JoinHookRequest {
  readonly client: HookSubject;
  readonly broker: string;
  readonly topics: readonly string[];
  /** Undefined if the settings do not forward it at joins. */
  readonly upgrade?: ForwardedUpgrade | undefined;
}

export interface PublishHookRequest extends Omit<JoinHookRequest, "upgrade"> {
  readonly payload: Uint8Array;
  readonly event: string;
}

export interface DisconnectHookEvent {
  readonly client: HookSubject;
  /** WebSocket close code; 1006 for none. */
  readonly code: number;
  readonly reason: string;
}

/** Changes to an allowed client in a backend's answer, not yet checked. Undefined members change nothing. */
export interface UncheckedChanges {
  readonly user: string | undefined;
  /** JSON text. */
  readonly info: string | undefined;
  readonly topics: readonly string[];
  /** In milliseconds since the epoch. */
  readonly expires: number | undefined;
}

/** A backend's refusal of a connection, not yet checked. */
export interface UncheckedHttpRefusal {
  readonly status: number;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: Uint8Array;
}

/** A backend's refusal of any other request, not yet checked. */
export interface UncheckedRefusal {
  readonly code: string;
  readonly message: string;
}

/** A backend's answer: exactly one of the two. */
export type Verdict<Refusal> = { readonly allow: UncheckedChanges } | { readonly refuse: Refusal };

/**
 * Transport to a backend. A failed call rejects with an Error whose text is for operators. Aborting the signal ends a call.
 */
export interface HookCaller {
  connect(request: ConnectHookRequest, signal: AbortSignal): Promise<Verdict<UncheckedHttpRefusal>>;
  join(request: JoinHookRequest, signal: AbortSignal): Promise<Verdict<UncheckedRefusal>>;
  publish(request: PublishHookRequest, signal: AbortSignal): Promise<Verdict<UncheckedRefusal>>;
  disconnect(event: DisconnectHookEvent, signal: AbortSignal): Promise<void>;
  /** Closes the connections. Calls in flight fail. */
  close(): void;
}
