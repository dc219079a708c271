import type { Json } from "../access/decide/principal.js";
import type { CarillonError } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";
import type { Answers } from "./cluster.js";

/** What has been asked, and who has not answered yet. */
export class PendingRequest {
  readonly #waiting: Set<string>;
  readonly #missing: string[] = [];
  readonly #answers = new Map<string, Json>();
  readonly #outcome = withResolvers<Answers>();

  constructor(nodes: Iterable<string>) {
    this.#waiting = new Set(nodes);
  }

  /** Resolves when nobody is waited for any more. */
  get outcome(): Promise<Answers> {
    return this.#outcome.promise;
  }

  /** Also of a node that was not known to be there. */
  answer(node: string, body: Json): void {
    this.#answers.set(node, body);
    this.#waiting.delete(node);
    this.#check();
  }

  refuse(cause: CarillonError): void {
    this.#outcome.reject(cause);
  }

  /** A node will not answer. */
  miss(node: string): void {
    if (this.#waiting.delete(node)) this.#missing.push(node);
    this.#check();
  }

  /** Nobody is waited for any longer. */
  end(): void {
    for (const node of this.#waiting) this.miss(node);
  }

  #check(): void {
    if (this.#waiting.size > 0) return;
    // A copy: a late answer must not change what somebody reads.
    this.#outcome.resolve({ answers: new Map(this.#answers), missing: [...this.#missing] });
  }
}
