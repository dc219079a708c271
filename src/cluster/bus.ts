/**
 * Carries words between the nodes of a cluster: at most once, in order from each node. What a node publishes comes to its
 * own listeners too. Drivers: local (one node), and brokers/nats.
 */
export interface Bus {
  /** Whether there can be other nodes. */
  readonly shared: boolean;
  /** False while other nodes cannot be reached. */
  readonly up: boolean;
  start(): Promise<void>;
  /** Sends what waits. Resolves within the time given, in milliseconds. */
  stop(deadline: number): Promise<void>;
  /**
   * Never throws; what cannot be sent is lost.
   * @param subject - tokens of letters, digits, `_` and `-` between dots
   */
  publish(subject: string, data: Uint8Array): void;
  /**
   * Publishes what somebody must hear: when nobody listens to the subject on any node, `onUnheard` listeners are told. A
   * word that is lost on the way is not told of, so whoever offers sets a time.
   * @param id - a token as those of subjects
   */
  offer(subject: string, data: Uint8Array, id: string): void;
  /** Told of what this bus has offered and nobody listens to. */
  onUnheard(listener: (id: string) => void): void;
  /** Resolves when the nodes' bus has taken in what was published and subscribed before. @throws CarillonError unavailable */
  flush(): Promise<void>;
  /**
   * @param group - of all who listen to a subject with the same group, on all nodes, one gets each message
   * @returns ends it. Who was in a group still hears what it has been chosen for before
   */
  subscribe(subject: string, onMessage: (data: Uint8Array) => void, group?: string): () => void;
}
