import type { Msg, NatsConnection, Subscription as NatsSubscription } from "nats";
import type { Subscription } from "../../core/ports.js";
import type { CarillonError } from "../../errors.js";

/** One topic's subject, and the library's subscription for it on the connection of the moment. */
export class TopicListener implements Subscription {
  refusal: CarillonError | undefined;
  readonly #onMessage: (msg: Msg) => void;
  readonly #onClose: (listener: TopicListener) => void;
  #subscription: NatsSubscription | undefined;

  constructor(
    readonly topic: string,
    readonly subject: string,
    onMessage: (msg: Msg) => void,
    onClose: (listener: TopicListener) => void,
  ) {
    this.#onMessage = onMessage;
    this.#onClose = onClose;
  }

  /**
   * Asks for the subject unless that has been done on this connection: the library asks again by itself when it has
   * reconnected, except for what was refused before.
   */
  attach(connection: NatsConnection): void {
    if (this.#subscription !== undefined && !this.#subscription.isClosed()) return;
    this.refusal = undefined;
    this.#subscription = connection.subscribe(this.subject, {
      callback: (error, msg) => {
        if (error === null) this.#onMessage(msg);
      },
    });
  }

  refuse(refusal: CarillonError): void {
    this.refusal = refusal;
    this.#detach();
  }

  close(): void {
    this.#onClose(this);
    this.#detach();
  }

  #detach(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    if (subscription !== undefined && !subscription.isClosed()) subscription.unsubscribe();
  }
}
