import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Address of a log: positions are valid in one log only. */
export interface LogAddress {
  readonly vhost: string;
  /** Name of the class. */
  readonly history: string;
  readonly topic: string;
}

const PROOF_LENGTH = 12;
const POSITION = /^m\.[\w-]{8}\.([\da-z]{1,11})\.[\w-]{12}$/;

/**
 * Positions in the logs of one driver: `m.BOOT.SEQUENCE.PROOF`. The proof is a keyed hash of the log's address and the
 * sequence, so that only positions that this driver has given out for the log are accepted.
 */
export class Positions {
  readonly #boot = randomBytes(6).toString("base64url");
  readonly #secret = randomBytes(32);

  /** @param sequence - 0 or more */
  encode({ history, topic, vhost }: LogAddress, sequence: number): string {
    const begin = `m.${this.#boot}.${sequence.toString(36)}`;
    // None of the names contains a line feed.
    const text = `${vhost}\n${history}\n${topic}\n${sequence}`;
    const proof = createHmac("sha256", this.#secret).update(text).digest("base64url").slice(0, PROOF_LENGTH);
    return `${begin}.${proof}`;
  }

  /** Returns the sequence of a position; undefined for text that `encode` has not made for this log. */
  decode(address: LogAddress, position: string): number | undefined {
    const [, digits = ""] = POSITION.exec(position) ?? [];
    const sequence = Number.parseInt(digits, 36);
    if (!Number.isSafeInteger(sequence)) return undefined;
    const expected = Buffer.from(this.encode(address, sequence));
    const given = Buffer.from(position);
    return expected.length === given.length && timingSafeEqual(expected, given) ? sequence : undefined;
  }
}
