import { DeliveryDelays } from "./delivery-delays.js";

/** Positions and results that clients and publishers were told, summed over all of them. */
export class Observations {
  /** Position of each message; every client and every receipt must tell the same one. */
  readonly positions = new Map<string, string>();
  /** Payload of the message at each position, by topic and position. */
  readonly #messages = new Map<string, string>();
  readonly delays = new DeliveryDelays();
  recovered = 0;
  /** Refused recoveries, by reason. */
  readonly refused = new Map<string, number>();
  /** Faults that are not about lists of messages; only the first ones are kept. */
  readonly faults: string[] = [];
  #faults = 0;

  get faultCount(): number {
    return this.#faults;
  }

  fault(text: string): void {
    this.#faults += 1;
    if (this.faults.length < 10) this.faults.push(text);
  }

  countRefused(reason: string): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }

  /** Records the position of a message. */
  locate(topic: string, message: string, position: string): void {
    const known = this.positions.get(message);
    if (known === undefined) {
      this.positions.set(message, position);
      this.#messages.set(`${topic} ${position}`, message);
    } else if (known !== position) {
      this.fault(`H1: ${message} is at ${known} and at ${position}`);
    }
    if (position.length > 64) this.fault(`H8: ${position} is too long`);
  }

  /** Returns the message at a position; undefined for the position of a topic without messages. */
  messageAt(topic: string, position: string): string | undefined {
    return this.#messages.get(`${topic} ${position}`);
  }
}
