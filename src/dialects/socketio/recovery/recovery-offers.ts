import type { Clock } from "../../../core/ports.js";
import { CarillonError, invalidArgument } from "../../../errors.js";
import { withResolvers } from "../../../util/with-resolvers.js";
import type { SocketIoSettings } from "../settings.js";
import { parseOffset, type SessionState } from "./offset.js";
import { RecoveryKey } from "./recovery-key.js";

/** Longest wait for the key of a vhost, in milliseconds. A client that would wait longer connects without recovery. */
const KEY_TIMEOUT = 1_000;

export interface RecoveryOffersOptions {
  readonly settingsFor: (vhost: string) => SocketIoSettings;
  /** Whether topics of the vhost have a history. */
  readonly hasHistory: (vhost: string) => boolean;
  /** Returns the vhost's key for recovery. @throws CarillonError unavailable */
  readonly recoveryKeyFor: (vhost: string) => Promise<Uint8Array>;
  readonly clock: Clock;
  readonly onFault: (cause: unknown) => void;
}

/** Offer to a client to recover its session later, or now. */
export interface RecoveryOffer {
  readonly key: RecoveryKey;
  /** Session that the client comes back to; undefined if it has none, or its proof is invalid. */
  readonly earlier: EarlierSession | undefined;
}

/** The session that a client had before, as its offset describes it. */
export interface EarlierSession {
  readonly id: string;
  readonly state: SessionState;
}

/** Payload of a connect request. The library keeps it. */
type Auth = Record<string, unknown>;

/** Decides which clients can recover their sessions. */
export class RecoveryOffers {
  readonly #options: RecoveryOffersOptions;

  constructor(options: RecoveryOffersOptions) {
    this.#options = options;
  }

  /**
   * Prepares the offer to a client. Removes the earlier session's members from the payload, because they are large.
   * @param protocol - revision of Engine.IO
   * @returns undefined for a client that cannot recover its session
   * @throws CarillonError invalid_argument
   */
  prepare(vhost: string, protocol: number, auth: Auth): Promise<RecoveryOffer | undefined> | undefined {
    if (protocol === 3) return undefined;
    const { offset, pid, recovery } = auth;
    if (recovery !== undefined && recovery !== null && typeof recovery !== "boolean")
      throw invalidArgument("auth.recovery: neither true nor false");
    const { hasHistory, settingsFor } = this.#options;
    if (!hasHistory(vhost) || !(recovery ?? settingsFor(vhost).recovery)) return undefined;
    delete auth["offset"];
    delete auth["pid"];
    return this.#create(vhost, pid, offset);
  }

  async #create(vhost: string, pid: unknown, offset: unknown): Promise<RecoveryOffer | undefined> {
    const key = await this.#findKey(vhost);
    if (key === undefined) return undefined;
    const id = key.readPid(pid);
    const state = id === undefined ? undefined : parseOffset(offset);
    return { key, earlier: id === undefined || state === undefined ? undefined : { id, state } };
  }

  #findKey(vhost: string): Promise<RecoveryKey | undefined> {
    const { clock, onFault, recoveryKeyFor } = this.#options;
    const { promise, resolve } = withResolvers<RecoveryKey | undefined>();
    const cancel = clock.after(KEY_TIMEOUT, () => resolve(undefined));
    recoveryKeyFor(vhost)
      .then((key) => new RecoveryKey(key))
      .catch((cause: unknown) => {
        if (!(cause instanceof CarillonError)) onFault(cause);
        return undefined;
      })
      .then((key) => {
        cancel();
        resolve(key);
      }, onFault);
    return promise;
  }
}
