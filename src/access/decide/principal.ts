import { Permissions } from "./permissions.js";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json;
}

/** What the backend has said of a client in the place of what its token says. */
export interface Given {
  /** The user that the token has named; undefined for none. */
  readonly subject: string | undefined;
  readonly user: string | undefined;
  /** JSON text of an object. */
  readonly info: string | undefined;
}

/** Whom a session acts for, and what that allows. Never changed: a fresh token makes a new one. */
export interface Principal {
  /** The user's id; undefined for an anonymous client. */
  readonly user: string | undefined;
  readonly permissions: Permissions;
  /** When the session ends unless a fresh token comes before, in milliseconds since the epoch; undefined: it does not. */
  readonly expires: number | undefined;
  /** Information about the user for hooks, workers and other members: JSON text of an object. */
  readonly info: string;
  /** Absent: the backend has said nothing, and all above is the token's. */
  readonly given?: Given | undefined;
  /** Absent: permissions and rules alone decide. */
  readonly terms?: Terms | undefined;
}

/** What narrows or widens, beside permissions and rules, what a principal may do. */
export interface Terms {
  /** Topics that the rules open to everybody are not open to it: only permissions, and channel tokens, open any. */
  readonly confined: boolean;
  /** Whether it may join topics itself; its backend can join it to some all the same. */
  readonly joins: boolean;
  /** Whether it may publish on the topics that it is in, where no permission lets it. */
  readonly sends: boolean;
}

/** Somebody who has yet to say who it is, where nobody may do anything before: a sign of life, and a token. */
export const STRANGER: Principal = {
  user: undefined,
  permissions: Permissions.NONE,
  expires: undefined,
  info: "{}",
  terms: { confined: true, joins: true, sends: false },
};
