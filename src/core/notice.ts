/** What a client is told that it did not ask for: it was made to join topics, or to leave them. */
export interface Notice {
  readonly kind: "joined" | "left";
  readonly topics: readonly string[];
}
