import type { HistoryStoreCounts } from "../core/history.js";

/** Counters that a driver increments. The interface describes them. */
export class HistoryCounts implements HistoryStoreCounts {
  stored = 0;
  duplicates = 0;
  failed = 0;
  storedMilliseconds = 0;
  gaps = 0;
  gapMessages = 0;
  repeated = 0;
  resets = 0;
  readonly replays = { ring: 0, store: 0 };
  readonly reads = { direct: 0, leader: 0, batch: 0, consumer: 0, shared: 0, failed: 0 };
  readMilliseconds = 0;
  readonly held = { messages: 0, bytes: 0 };
}
