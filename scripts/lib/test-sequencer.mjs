import Sequencer from "@jest/test-sequencer";

/** Files that take longest, by the end of their paths. A stale name does no harm: its file is taken in jest's own order. */
const SLOWEST = [
  "e2e/docs/languages.test.ts",
  "e2e/bench.test.ts",
  "e2e/socketio/python.test.ts",
  "e2e/page/devices.test.ts",
  "e2e/socketio/socketio.test.ts",
  "workers/dispatch.test.ts",
  "rpc/error-table.test.ts",
];

/**
 * Starts with the slowest files, so that none of them runs alone at the end. Jest knows how long each took last time; on a fresh
 * clone it goes by their sizes.
 */
export default class TestSequencer extends Sequencer {
  async sort(tests) {
    const ordered = await Sequencer.prototype.sort.call(this, tests);
    const slow = SLOWEST.flatMap((end) => ordered.filter(({ path }) => path.endsWith(end)));
    return [...new Set([...slow, ...ordered])];
  }
}
