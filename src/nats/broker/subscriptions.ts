import type { NatsConnection } from "nats";
import { CarillonError } from "../../errors.js";
import type { ConfirmationRounds } from "../link/confirmation-rounds.js";
import type { TopicSubscription } from "./subscription.js";

/** All that this node listens to: asks the server for it, and tells each listener what the server does not let it hear. */
export class TopicSubscriptions {
  readonly #broker: string;
  readonly #rounds: ConfirmationRounds<TopicSubscription>;
  readonly #all = new Set<TopicSubscription>();

  /** @param broker - for errors */
  constructor(broker: string, rounds: ConfirmationRounds<TopicSubscription>) {
    this.#broker = broker;
    this.#rounds = rounds;
  }

  add(listener: TopicSubscription, connection: NatsConnection | undefined): void {
    this.#all.add(listener);
    if (connection !== undefined) this.#ask(listener, connection);
  }

  delete(listener: TopicSubscription): void {
    this.#all.delete(listener);
  }

  /** There is a connection, new or regained. */
  askForAll(connection: NatsConnection): void {
    if (this.#all.size === 0) return;
    for (const listener of this.#all) this.#ask(listener, connection);
    // Else they would be unconfirmed until somebody's next round, and a refusal meant for that one would hit them.
    void this.#rounds.confirm(0);
  }

  /** The server does not permit the subject. */
  refuse(subject: string): void {
    for (const listener of this.#all) {
      if (listener.subject === subject)
        listener.refuse(new CarillonError("permission_denied", this.#unheard(listener)));
    }
  }

  /**
   * The server does not do something, most likely listen to one more subject, and does not say which one. It cannot be
   * known: all that it had been asked for and had not confirmed are refused, also one that it took, where two joins
   * raced for the last place. A refusal too many can be asked for again; a join that was answered and hears nothing
   * could not be noticed.
   */
  refuseUnconfirmed(words: string): void {
    for (const listener of this.#rounds.unconfirmedAsked) {
      listener.doubt(new CarillonError("resource_exhausted", `${this.#unheard(listener)}: ${words}`));
    }
  }

  #ask(listener: TopicSubscription, connection: NatsConnection): void {
    listener.attach(connection);
    this.#rounds.ask(listener);
  }

  #unheard({ topic }: TopicSubscription): string {
    return `${this.#broker} does not let this node hear topic ${JSON.stringify(topic)}`;
  }
}
