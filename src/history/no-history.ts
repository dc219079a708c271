import type { HistoryStore } from "../core/history.js";
import { CarillonError } from "../errors.js";
import { HistoryCounts } from "./history-counts.js";

/** Store of a broker that keeps no messages. */
export const NO_HISTORY: HistoryStore = {
  counts: new HistoryCounts(),
  read: () => Promise.reject(new CarillonError("unavailable", "this broker keeps no history")),
  purge: () => Promise.reject(new CarillonError("unavailable", "this broker keeps no history")),
  prepareClasses: (_vhost, classes) =>
    Promise.resolve(classes.map(({ name }) => `${name}: this broker keeps no history`)),
};
