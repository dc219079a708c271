import type { AnswerLease } from "../answer-budget.js";
import { deadlinePassed } from "../call-errors.js";
import { countAnswer, toAnswerBytes } from "../grpc/method-codec.js";
import { SingleRequestCall } from "./single-request-call.js";

/** Call with one request and one answer. */
export class UnaryCall extends SingleRequestCall {
  protected handle(message: Buffer): void {
    const { continueTrace } = this.peer.host;
    if (continueTrace === undefined) this.#run(message);
    else continueTrace(this.head, () => this.#run(message));
  }

  #run(message: Buffer): void {
    let lease: AnswerLease | undefined;
    try {
      // The deadline's timer may fire late.
      if (this.deadline !== undefined && this.deadline <= Date.now()) throw deadlinePassed();
      lease = this.openAnswer();
      const answer = this.method.handle(this.decode(message), this);
      if (answer instanceof Promise) this.#answerLater(answer, lease).catch(this.peer.host.onFault);
      else this.#answer(answer as object, lease);
    } catch (cause) {
      lease?.settle();
      this.fail(cause);
    }
  }

  async #answerLater(answer: Promise<unknown>, lease: AnswerLease | undefined): Promise<void> {
    try {
      this.#answer((await answer) as object, lease);
    } catch (cause) {
      this.fail(cause);
    } finally {
      lease?.settle();
    }
  }

  #answer(answer: object, lease: AnswerLease | undefined): void {
    const { codec } = this.method;
    this.send(lease === undefined ? toAnswerBytes(codec, answer) : countAnswer(codec, answer, lease));
    lease?.settle();
    this.end();
  }
}
