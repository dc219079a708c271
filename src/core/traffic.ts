/** Traffic of one vhost on one broker, since the node started. Plain numbers that the metrics read. */
export class Traffic {
  /** Messages that publishers sent through this node, each once for all its topics. */
  messagesIn = 0;
  /** Payload bytes of those. */
  bytesIn = 0;
  /** Messages that arrived from the broker for topics of this node. */
  received = 0;
  /** Messages handed to sessions, counted per session. */
  messagesOut = 0;
  /** Bytes of their frames. */
  bytesOut = 0;

  add(other: Traffic): void {
    this.messagesIn += other.messagesIn;
    this.bytesIn += other.bytesIn;
    this.received += other.received;
    this.messagesOut += other.messagesOut;
    this.bytesOut += other.bytesOut;
  }
}

/** Maximum number of vhosts that are counted by name: each is a label of several metrics, whose number must be bounded. */
export const NAMED_VHOSTS = 100;

/** Label of all further vhosts. No vhost has this name, because their paths begin with a slash. */
export const OTHER_VHOSTS = "other";

/** Counters by broker. */
type BrokerTraffic = Map<string, Traffic>;

/** Counts traffic by vhost and broker. Vhosts beyond {@link NAMED_VHOSTS} share their counters. */
export class TrafficCounts {
  /** Counters of the vhosts that have a label of their own. */
  readonly #named = new Map<string, BrokerTraffic>();
  readonly #others: BrokerTraffic = new Map();
  /** Sums of deleted vhosts, so that the counters of brokers never go back. */
  readonly #deleted: BrokerTraffic = new Map();

  /** Returns a vhost's label, and reserves it while there are any left. */
  label(vhost: string): string {
    if (this.#named.has(vhost)) return vhost;
    if (this.#named.size >= NAMED_VHOSTS) return OTHER_VHOSTS;
    this.#named.set(vhost, new Map());
    return vhost;
  }

  /** Returns the counters of an existing vhost on a broker. */
  of(vhost: string, broker: string): Traffic {
    return findOrAdd(this.#named.get(this.label(vhost)) ?? this.#others, broker);
  }

  /** Forgets the vhosts that have been deleted, so that others can have their labels. */
  prune(exists: (vhost: string) => boolean): void {
    for (const [vhost, brokers] of this.#named) {
      if (exists(vhost)) continue;
      this.#named.delete(vhost);
      addAll(this.#deleted, brokers);
    }
  }

  /** Sums the traffic by the labels of vhosts. */
  byVhost(): Map<string, Traffic> {
    const sums = new Map<string, Traffic>();
    for (const [vhost, brokers] of [...this.#named, [OTHER_VHOSTS, this.#others] as const]) {
      const sum = new Traffic();
      for (const traffic of brokers.values()) sum.add(traffic);
      if (vhost !== OTHER_VHOSTS || brokers.size > 0) sums.set(vhost, sum);
    }
    return sums;
  }

  /** Sums the traffic by broker. */
  byBroker(): BrokerTraffic {
    const sums: BrokerTraffic = new Map();
    for (const brokers of [...this.#named.values(), this.#others, this.#deleted]) addAll(sums, brokers);
    return sums;
  }
}

function addAll(sums: BrokerTraffic, brokers: BrokerTraffic): void {
  for (const [broker, traffic] of brokers) findOrAdd(sums, broker).add(traffic);
}

function findOrAdd(brokers: BrokerTraffic, broker: string): Traffic {
  let traffic = brokers.get(broker);
  if (traffic === undefined) {
    traffic = new Traffic();
    brokers.set(broker, traffic);
  }
  return traffic;
}
