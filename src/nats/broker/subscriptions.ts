import type { NatsConnection } from "nats";
import { CarillonError } from "../../errors.js";
import type { ConfirmationRounds } from "../link/confirmation-rounds.js";
import type { SubjectSubscription } from "./subscription.js";

/** All topic subscriptions of this node. Sends them to the server, and reports refusals to them. */
export class SubjectSubscriptions {
  readonly #broker: string;
  readonly #rounds: ConfirmationRounds<SubjectSubscription>;
  readonly #all = new Set<SubjectSubscription>();

  /** @param broker - name for errors */
  constructor(broker: string, rounds: ConfirmationRounds<SubjectSubscription>) {
    this.#broker = broker;
    this.#rounds = rounds;
  }

  add(subscription: SubjectSubscription, connection: NatsConnection | undefined): void {
    this.#all.add(subscription);
    if (connection !== undefined) this.#subscribe(subscription, connection);
  }

  delete(subscription: SubjectSubscription): void {
    this.#all.delete(subscription);
  }

  /** Subscribes to all topics on a new or restored connection. */
  subscribeAll(connection: NatsConnection): void {
    if (this.#all.size === 0) return;
    for (const subscription of this.#all) this.#subscribe(subscription, connection);
    // Without this round, they would stay unconfirmed until the next caller's, and a refusal in that round would affect them.
    void this.#rounds.confirm(0);
  }

  /** Reports that the server does not permit the subject. */
  refuse(subject: string): void {
    for (const subscription of this.#all) {
      if (subscription.subject === subject)
        subscription.refuse(new CarillonError("permission_denied", this.#refusalText(subscription)));
    }
  }

  /**
   * Reports a refusal without a subject, usually of a subscription beyond the server's limit. All unconfirmed subscriptions
   * are refused, even one that the server accepted when two joins raced for the last slot. A refused join can be retried;
   * a successful join that receives nothing could not be detected.
   */
  refuseUnconfirmed(text: string): void {
    for (const subscription of this.#rounds.unconfirmedSubjects) {
      subscription.refuseIfUnconfirmed(
        new CarillonError("resource_exhausted", `${this.#refusalText(subscription)}: ${text}`),
      );
    }
  }

  #subscribe(subscription: SubjectSubscription, connection: NatsConnection): void {
    subscription.attach(connection);
    this.#rounds.addSubject(subscription);
  }

  #refusalText({ topic }: SubjectSubscription): string {
    return `${this.#broker} does not permit this node to subscribe to topic ${JSON.stringify(topic)}`;
  }
}
