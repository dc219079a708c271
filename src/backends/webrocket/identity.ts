import type { WebrocketCode } from "../../dialects/webrocket/errors.js";
import { isSecret } from "../../vhosts/access-token.js";
import type { Vhost } from "../../vhosts/vhost.js";

/** Who a packet says that it is of. */
export interface Identity {
  /** `req` asks for something once, `dlr` is a worker. */
  readonly kind: "req" | "dlr";
  readonly vhost: string;
  readonly token: string;
  /** A name that the peer has made up. */
  readonly uuid: string;
}

/** Kind, path, token of 40 characters, name of 36. */
const IDENTITY = /^(req|dlr):(\/(?:[\w-]+(?:\/[\w-]+)*)?):([^:]{40}):([^:]{36})$/;

export function readIdentity(text: string): Identity | undefined {
  const [, kind, vhost = "", token = "", uuid = ""] = IDENTITY.exec(text) ?? [];
  return kind === "req" || kind === "dlr" ? { kind, vhost, token, uuid } : undefined;
}

/** Where vhosts are looked up. */
export interface VhostDirectory {
  get(path: string): Vhost | undefined;
  /** False while one that is not found may exist all the same. */
  readonly loaded: boolean;
}

/** The vhost that the identity is let into; or what it is told otherwise. */
export function admitted({ token, vhost: path }: Identity, vhosts: VhostDirectory): Vhost | WebrocketCode {
  const vhost = vhosts.get(path);
  if (vhost === undefined && !vhosts.loaded) return 503;
  return vhost?.accessToken !== undefined && isSecret(token, vhost.accessToken) ? vhost : 402;
}
