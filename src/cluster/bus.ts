/**
 * Carries messages between the nodes of a cluster: at most once, in order from each node. A node's own subscribers receive
 * its messages too. Drivers: `LocalBus` for a single node, and `nats/bus`.
 */
export interface Bus {
  /** Whether other nodes can use the bus. */
  readonly shared: boolean;
  /** False while the bus is disconnected. */
  readonly up: boolean;
  start(): Promise<void>;
  /** Sends pending messages and stops. Resolves within the deadline, in milliseconds. */
  stop(deadline: number): Promise<void>;
  /**
   * Publishes a message. Never throws; a message that cannot be sent is lost.
   * @param subject - tokens of letters, digits, `_` and `-` between dots
   */
  publish(subject: string, data: Uint8Array): void;
  /**
   * Publishes a message that needs a subscriber: when the subject has none on any node, calls the `onNoSubscriber` listeners.
   * A message that is lost in transit is not reported, so the caller needs a timeout.
   * @param id - a token like those of subjects, passed to the listeners
   */
  offer(subject: string, data: Uint8Array, id: string): void;
  /** Adds a listener for messages that this bus offered and that had no subscriber. */
  onNoSubscriber(listener: (id: string) => void): void;
  /**
   * Resolves when the bus has processed all earlier messages and subscriptions.
   * @throws CarillonError unavailable
   */
  flush(): Promise<void>;
  /**
   * Subscribes to a subject.
   * @param group - each message is delivered to one subscriber of the group, among all nodes
   * @returns a function that ends the subscription; a member of a group still receives messages already assigned to it
   */
  subscribe(subject: string, onMessage: (data: Uint8Array) => void, group?: string): () => void;
}
