/** Counters of the history of a NATS broker, which the metrics read. */
export class HistoryCounts {
  /** Messages stored, and those that the stream knew already. */
  stored = 0;
  duplicates = 0;
  /** Publishes that were not stored: refused, timed out, or lost with the connection. */
  failed = 0;
  /** Sum of the times from publish to acknowledgement, in milliseconds, of stored messages. */
  storedMilliseconds = 0;
  /** Gaps found in the messages that arrived, and messages read to fill them. */
  gaps = 0;
  gapMessages = 0;
  /** Republished messages that arrived again, and were dropped. */
  repeated = 0;
  /** Logs that began anew because their stream had lost messages. */
  resets = 0;
  /** Replays by source. */
  replays = { ring: 0, store: 0 };
  /** Requests to the store by kind, and the sum of their times in milliseconds. */
  reads = { direct: 0, leader: 0, batch: 0, consumer: 0, shared: 0, failed: 0 };
  readMilliseconds = 0;
}
