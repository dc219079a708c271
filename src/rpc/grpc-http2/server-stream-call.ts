import { SingleRequestCall } from "./single-request-call.js";
import { streamAnswers } from "./stream-answers.js";

/** Call with one request and a stream of answers. */
export class ServerStreamCall extends SingleRequestCall {
  protected handle(message: Buffer): void {
    streamAnswers(this, () => this.decode(message));
  }
}
