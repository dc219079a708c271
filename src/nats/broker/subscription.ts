import type { Msg, NatsConnection, Subscription as NatsSubscription } from "nats";
import type { Subscription } from "../../core/ports.js";
import type { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";

/** A topic's subject, and the library's subscription to it on the current connection. */
export class SubjectSubscription implements Subscription {
  refusal: CarillonError | undefined;
  readonly #onMessage: (msg: Msg) => void;
  readonly #onClose: (subscription: SubjectSubscription) => void;
  readonly #onConfirmed: () => void;
  #subscription: NatsSubscription | undefined;
  #confirmed = false;

  /** @param onConfirmed - called when the server has confirmed the subscription, also after a reconnect */
  constructor(
    readonly topic: string,
    readonly subject: string,
    onMessage: (msg: Msg) => void,
    onClose: (subscription: SubjectSubscription) => void,
    onConfirmed: () => void = ignore,
  ) {
    this.#onMessage = onMessage;
    this.#onClose = onClose;
    this.#onConfirmed = onConfirmed;
  }

  /**
   * Subscribes to the subject, unless the connection has the subscription. After a reconnect the library renews
   * subscriptions, except refused ones.
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

  /** Called when the server has answered a later ping. Confirms the subscription unless it was refused. */
  confirm(): void {
    if (this.refusal !== undefined) return;
    this.#confirmed = true;
    this.#onConfirmed();
  }

  refuse(refusal: CarillonError): void {
    this.refusal = refusal;
    this.#detach();
  }

  /**
   * Called when the server may have refused this subject or another one. Pending joins fail. A subject that was confirmed
   * before, and was only renewed after a reconnect, stays subscribed, because its sessions may still receive messages.
   */
  refuseIfUnconfirmed(refusal: CarillonError): void {
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
