import type { Msg } from "nats";
import type { HistoryClass, TopicLog } from "../../core/history.js";
import type { Message } from "../../core/message.js";
import type { TopicSubscription } from "../../core/ports.js";
import type { CarillonError } from "../../errors.js";
import type { LoggedTopic } from "../history/nats-history.js";
import { isPurgeMark } from "../history/nats-stored-message.js";
import type { SubjectSubscription } from "./subscription.js";

/** Subscription of a topic, with or without history. The class of the history may change meanwhile. */
export class NatsTopicSubscription implements TopicSubscription {
  readonly #deliver: (message: Message) => void;
  readonly #createLog: (history: HistoryClass, hasMembers: boolean) => LoggedTopic;
  #subscription: SubjectSubscription | undefined;
  #history: HistoryClass | undefined;
  #logged: LoggedTopic | undefined;

  constructor(
    deliver: (message: Message) => void,
    createLog: (history: HistoryClass, hasMembers: boolean) => LoggedTopic,
    history: HistoryClass | undefined,
  ) {
    this.#deliver = deliver;
    this.#createLog = createLog;
    this.#history = history;
    this.#logged = history && createLog(history, false);
  }

  get refusal(): CarillonError | undefined {
    return this.#subscription?.refusal;
  }

  get log(): TopicLog | undefined {
    return this.#logged?.log;
  }

  attach(subscription: SubjectSubscription): void {
    this.#subscription = subscription;
  }

  receive(message: Message, msg: Msg): void {
    if (this.#logged !== undefined) this.#logged.receive(msg, message);
    else if (msg.data.length !== 0 || !isPurgeMark(msg.data, msg.headers)) this.#deliver(message);
  }

  onActive(): void {
    this.#logged?.onActive();
  }

  changeHistory(history: HistoryClass | undefined): void {
    const before = this.#history;
    this.#history = history;
    // Other settings of the same class are those of its stream, which the log follows.
    if (before?.name === history?.name) return;
    this.#logged?.close();
    this.#logged = history && this.#createLog(history, true);
    this.#logged?.onActive();
  }

  close(): void {
    this.#subscription?.close();
    this.#logged?.close();
  }
}
