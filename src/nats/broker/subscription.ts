import type { Msg, NatsConnection, Subscription as NatsSubscription } from "nats";
import type { Subscription } from "../../core/ports.js";
import type { CarillonError } from "../../errors.js";

/** One topic's subject, and the library's subscription for it on the connection of the moment. */
export class TopicSubscription implements Subscription {
  refusal: CarillonError | undefined;
  readonly #onMessage: (msg: Msg) => void;
  readonly #onClose: (listener: TopicSubscription) => void;
  #subscription: NatsSubscription | undefined;
  #confirmed = false;

  constructor(
    readonly topic: string,
    readonly subject: string,
    onMessage: (msg: Msg) => void,
    onClose: (listener: TopicSubscription) => void,
  ) {
    this.#onMessage = onMessage;
    this.#onClose = onClose;
  }

  /**
   * Asks for the subject unless that has been done on this connection: the library asks again by itself when it has
   * reconnected, except for what was refused before.
   */
  attach(connection: NatsConnection): void {
    this.refusal = undefined;
    if (this.#subscription !== undefined && !this.#subscription.isClosed()) return;
    this.#subscription = connection.subscribe(this.subject, {
      callback: (error, msg) => {
        if (error === null) this.#onMessage(msg);
      },
    });
  }

  /** The server has answered for all that was asked of it before, and said nothing against this subject. */
  confirm(): void {
    if (this.refusal === undefined) this.#confirmed = true;
  }

  refuse(refusal: CarillonError): void {
    this.refusal = refusal;
    this.#detach();
  }

  /**
   * The server may have refused the subject, this one or another. Nobody who comes now is promised anything; but where
   * the subject was confirmed once, and this is the library asking again after a reconnect, there may be sessions that
   * do hear by it, and it is left to them.
   */
  doubt(refusal: CarillonError): void {
    this.refusal ??= refusal;
    if (!this.#confirmed) this.#detach();
  }

  close(): void {
    this.#onClose(this);
    this.#detach();
  }

  #detach(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    this.#confirmed = false;
    if (subscription !== undefined && !subscription.isClosed()) subscription.unsubscribe();
  }
}
