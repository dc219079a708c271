import type { Json } from "../access/decide/principal.js";
import type { CarillonError } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";
import type { Answers } from "./cluster.js";

/** A request to several nodes, and the nodes that have not answered yet. */
export class PendingRequest {
  readonly #pending: Set<string>;
  readonly #missing: string[] = [];
  readonly #answers = new Map<string, Json>();
  readonly #outcome = withResolvers<Answers>();

  constructor(nodes: Iterable<string>) {
    this.#pending = new Set(nodes);
  }

  /** Resolves when no node is pending. */
  get outcome(): Promise<Answers> {
    return this.#outcome.promise;
  }

  /** Adds an answer, also of a node that was unknown when the request was sent. */
  answer(node: string, body: Json): void {
    this.#answers.set(node, body);
    this.#pending.delete(node);
    this.#check();
  }

  refuse(cause: CarillonError): void {
    this.#outcome.reject(cause);
  }

  /** Marks a node as missing. */
  miss(node: string): void {
    if (this.#pending.delete(node)) this.#missing.push(node);
    this.#check();
  }

  /** Marks all pending nodes as missing. */
  end(): void {
    for (const node of this.#pending) this.miss(node);
  }

  #check(): void {
    if (this.#pending.size > 0) return;
    // Copies, because a late answer must not change the result.
    this.#outcome.resolve({ answers: new Map(this.#answers), missing: [...this.#missing] });
  }
}
