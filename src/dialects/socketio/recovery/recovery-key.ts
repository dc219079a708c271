import { createHmac, timingSafeEqual } from "node:crypto";

/** Text lengths of the proofs, in characters of base64url: 128 and 96 bits. */
const PID_PROOF = 22;
const TAG = 16;

/** Identity of a session's client. */
export interface SessionIdentity {
  readonly sessionId: string;
  /** Undefined for a client without a user. */
  readonly user: string | undefined;
  /** Whether the client has presented a token. */
  readonly elevated: boolean;
}

/**
 * Proves to every node that shares the vhost's token secret which session a client comes back to, so that no node keeps
 * anything of clients that are away.
 */
export class RecoveryKey {
  readonly #key: Uint8Array;

  /** @param key - of the vhost */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Returns the `pid` of a session: its id and a proof. It is the client's secret. */
  createPid(sessionId: string): string {
    return `${sessionId}.${this.#prove(["pid", sessionId]).slice(0, PID_PROOF)}`;
  }

  /** Returns the session's id; undefined for an invalid `pid`. */
  readPid(pid: unknown): string | undefined {
    if (typeof pid !== "string") return undefined;
    const sessionId = pid.slice(0, -PID_PROOF - 1);
    return isSame(pid, this.createPid(sessionId)) ? sessionId : undefined;
  }

  /** Returns the first part of a session's offsets. It differs for each user, and for a client that was elevated since. */
  createTag({ elevated, sessionId, user }: SessionIdentity): string {
    return this.#prove(["offset", sessionId, user ?? null, elevated]).slice(0, TAG);
  }

  /** Returns a function that creates the tag of a session's current identity, and keeps it while that stays the same. */
  createTagger(identify: () => SessionIdentity): () => string {
    let last: SessionIdentity | undefined;
    let tag = "";
    return () => {
      const now = identify();
      if (last?.user !== now.user || last?.elevated !== now.elevated) tag = this.createTag(now);
      last = now;
      return tag;
    };
  }

  isTag(tag: string, identity: SessionIdentity): boolean {
    return isSame(tag, this.createTag(identity));
  }

  #prove(parts: readonly unknown[]): string {
    return createHmac("sha256", this.#key).update(JSON.stringify(parts)).digest("base64url");
  }
}

function isSame(text: string, expected: string): boolean {
  const [one, other] = [Buffer.from(text), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
