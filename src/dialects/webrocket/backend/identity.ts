import type { Vhost } from "../../../vhosts/vhost.js";
import { isSecret } from "../access.js";
import type { WebrocketCode } from "../errors.js";

/** Sender of a packet, as stated in the packet. */
export interface Identity {
  /** `req`: a client with one request. `dlr`: a worker. */
  readonly kind: "req" | "dlr";
  readonly vhost: string;
  readonly token: string;
  /** Chosen by the peer. */
  readonly uuid: string;
}

/** Kind, path of the vhost, token of 40 characters, and id of 36 characters. */
const IDENTITY = /^(req|dlr):(\/(?:[\w-]+(?:\/[\w-]+)*)?):(\w{40}):([\w-]{36})$/;

/** @returns undefined for a malformed identity */
export function parseIdentity(text: string): Identity | undefined {
  const [, kind, vhost = "", token = "", uuid = ""] = IDENTITY.exec(text) ?? [];
  return kind === "req" || kind === "dlr" ? { kind, vhost, token, uuid } : undefined;
}

/** Finds vhosts. */
export interface VhostDirectory {
  get(path: string): Vhost | undefined;
  /** False while the store has not been read: a vhost that is not found may exist. */
  readonly loaded: boolean;
}

/** Returns whether two identities name the same peer. Their tokens may differ. */
export function isSamePeer(one: Identity, other: Identity): boolean {
  return one.kind === other.kind && one.vhost === other.vhost && one.uuid === other.uuid;
}

/**
 * Checks the token against the vhost's.
 * @param identity - undefined: a malformed one
 * @returns the vhost, or the error's code: 402, which tells workers to stop, or 503 while vhosts are still being read
 */
export function authenticatePeer(identity: Identity | undefined, vhosts: VhostDirectory): Vhost | WebrocketCode {
  if (identity === undefined) return 402;
  const { token, vhost: path } = identity;
  const vhost = vhosts.get(path);
  if (vhost === undefined && !vhosts.loaded) return 503;
  const secret = vhost?.backendTokenFor("webrocket");
  return secret !== undefined && isSecret(token, secret) ? (vhost ?? 402) : 402;
}
