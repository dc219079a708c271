import type { Permissions } from "./permissions.js";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json;
}

/** Whom a session acts for, and what that allows. Never changed: a fresh token makes a new one. */
export interface Principal {
  /** The user's id; undefined for an anonymous client. */
  readonly user: string | undefined;
  readonly permissions: Permissions;
  /** When the session ends unless a fresh token comes before, in milliseconds since the epoch; undefined: it does not. */
  readonly expires: number | undefined;
  /** What hooks, workers and other members are told of the user. */
  readonly info: JsonObject;
}
