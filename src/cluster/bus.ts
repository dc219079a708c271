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
  /** Resolves when the nodes' bus has taken in what was published and subscribed before. @throws CarillonError unavailable */
  flush(): Promise<void>;
  /** @returns ends it */
  subscribe(subject: string, onMessage: (data: Uint8Array) => void): () => void;
}
