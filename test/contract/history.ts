import { changeSuite } from "./history/changes.js";
import { pageSuite } from "./history/pages.js";
import { publishingSuite } from "./history/publishing.js";
import { recoverySuite } from "./history/recovery.js";
import { replaySuite } from "./history/replays.js";
import type { HistoryWorld, SetUpHistory } from "./history/support.js";

/**
 * Tests of the promises that core/history.ts makes for a broker driver with history. Every driver with history passes them.
 * @param setUp - called before each test
 */
export function historyContract(ofDriver: string, setUp: SetUpHistory): void {
  describe(`history of a broker driver: ${ofDriver}`, () => {
    let current: HistoryWorld | undefined;
    const world = (): HistoryWorld => {
      if (current === undefined) throw new Error("no drivers");
      return current;
    };

    beforeEach(async () => {
      current = await setUp();
    });

    describe("recovery", () => {
      recoverySuite(world);
    });
    describe("replays", () => {
      replaySuite(world);
    });
    describe("publishing", () => {
      publishingSuite(world);
    });
    describe("pages", () => {
      pageSuite(world);
    });
    describe("changes", () => {
      changeSuite(world);
    });
  });
}
