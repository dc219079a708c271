import Sequencer from "@jest/test-sequencer";

/** Slowest test files, by the end of their paths. A stale name has no effect. */
const SLOWEST = [
  "e2e/chaos/scenarios.test.ts",
  "e2e/docs/languages.test.ts",
  "e2e/docs/cluster-setup.test.ts",
  "deploy/image.test.ts",
  "e2e/bench.test.ts",
  "e2e/socketio/python.test.ts",
  "e2e/page/devices.test.ts",
  "e2e/socketio/socketio.test.ts",
  "workers/dispatch.test.ts",
  "rpc/error-table.test.ts",
];

/**
 * Starts with the slowest files, so that none of them runs alone at the end. Jest sorts by the durations of the last run,
 * which a fresh clone does not have.
 */
export default class TestSequencer extends Sequencer {
  async sort(tests) {
    const ordered = await Sequencer.prototype.sort.call(this, tests);
    const slow = SLOWEST.flatMap((end) => ordered.filter(({ path }) => path.endsWith(end)));
    return [...new Set([...slow, ...ordered])];
  }
}
