import type { IncomingHttpHeaders } from "node:http";

/** What a backend may be asked about, or told of. */
export const HOOK_EVENTS = ["connect", "join", "publish", "disconnect"] as const;

export type HookEvent = (typeof HOOK_EVENTS)[number];

/** The client that asks, as the backend is told. */
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
 * Parts of a request that a backend is told only on demand: the query with its token, the headers with theirs (`authorization`, a
 * cookie, a subprotocol), and at each join the upgrade request.
 */
export const HOOK_FORWARDS = ["query", "authorization", "join"] as const;

export type HookForward = (typeof HOOK_FORWARDS)[number];

/** An upgrade request as the backend is told of it. */
export interface ForwardedUpgrade {
  readonly method: string;
  readonly uri: string;
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  /** The settings by which it was made: what they let through is in it. */
  readonly forwarded: readonly HookForward[];
}

export interface ConnectQuestion extends Omit<ForwardedUpgrade, "forwarded"> {
  readonly client: HookSubject;
}

export interface JoinQuestion {
  readonly client: HookSubject;
  readonly broker: string;
  readonly topics: readonly string[];
  /** Undefined where the backend does not want to be told of it again. */
  readonly upgrade?: ForwardedUpgrade | undefined;
}

export interface PublishQuestion extends Omit<JoinQuestion, "upgrade"> {
  readonly payload: Uint8Array;
  readonly event: string;
}

export interface HookFarewell {
  readonly client: HookSubject;
  /** The WebSocket close code; 1006 where there was none. */
  readonly code: number;
  readonly reason: string;
}

/** What the backend says of an allowed client, unchecked. What is undefined leaves things as they are. */
export interface GivenChanges {
  readonly user: string | undefined;
  /** JSON text. */
  readonly info: string | undefined;
  readonly topics: readonly string[];
  /** In milliseconds since the epoch. */
  readonly expires: number | undefined;
}

/** How the backend refuses a connection, unchecked. */
export interface GivenHttpRefusal {
  readonly status: number;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: Uint8Array;
}

/** How the backend refuses anything else, unchecked. */
export interface GivenRefusal {
  readonly code: string;
  readonly message: string;
}

/** Exactly one of the two. */
export type Verdict<Refusal> = { readonly allow: GivenChanges } | { readonly refuse: Refusal };

/**
 * The way to a backend. A call that fails in whatever way throws an Error, whose text is for operators; it ends when the
 * signal is aborted.
 */
export interface HookCaller {
  connect(question: ConnectQuestion, signal: AbortSignal): Promise<Verdict<GivenHttpRefusal>>;
  join(question: JoinQuestion, signal: AbortSignal): Promise<Verdict<GivenRefusal>>;
  publish(question: PublishQuestion, signal: AbortSignal): Promise<Verdict<GivenRefusal>>;
  disconnect(farewell: HookFarewell, signal: AbortSignal): Promise<void>;
  /** Lets go of its connections. Calls under way fail. */
  close(): void;
}
