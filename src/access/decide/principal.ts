import { Permissions } from "./permissions.js";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json;
}

/** User and info chosen by the backend instead of those in the token. */
export interface BackendOverrides {
  /** User named by the token; undefined for none. */
  readonly subject: string | undefined;
  readonly user: string | undefined;
  /** JSON text of an object. */
  readonly info: string | undefined;
}

/** Identity and permissions of a session. Immutable: a fresh token creates a new principal. */
export interface Principal {
  /** The user's id; undefined for an anonymous client. */
  readonly user: string | undefined;
  readonly permissions: Permissions;
  /** Expiry of the session, in milliseconds since the epoch; undefined for none. A fresh token may extend it. */
  readonly expires: number | undefined;
  /** Information about the user for hooks, workers and presence: JSON text of an object. */
  readonly info: string;
  /** Absent where the backend has changed neither user nor info. */
  readonly overrides?: BackendOverrides | undefined;
  /** Absent where only permissions and rules decide. */
  readonly terms?: Terms | undefined;
}

/** Restrictions and grants that a dialect or token adds to permissions and rules. */
export interface Terms {
  /** Whether open rules are ignored, so that a join needs a permission or a channel token. */
  readonly ignoresOpenRules: boolean;
  /** Whether it may join topics itself. Its backend may always join topics on its behalf. */
  readonly mayJoin: boolean;
  /** Whether it may publish on the topics that it has joined, without a permission. */
  readonly mayPublishToJoined: boolean;
}

/** Principal of an unauthenticated client: it may only keep the connection alive and present a token. */
export const UNAUTHENTICATED: Principal = {
  user: undefined,
  permissions: Permissions.NONE,
  expires: undefined,
  info: "{}",
  terms: { ignoresOpenRules: true, mayJoin: true, mayPublishToJoined: false },
};
