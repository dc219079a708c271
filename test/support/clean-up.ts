import { setImmediate as nextTurn } from "node:timers/promises";

type CleanUp = () => unknown;

const pending: CleanUp[] = [];

/** Runs after the test, last registered first, whatever its outcome and that of the others. */
export function cleanUp(run: CleanUp): void {
  pending.push(run);
}

/** What a test may not leave behind: connections, listening ports, child processes. */
const LEAKS = ["TCPSocketWrap", "TCPServerWrap", "ProcessWrap"];
/** Ends of connections take some turns of the event loop to be seen by both sides; milliseconds. */
const PATIENCE = 3_000;

afterEach(async () => {
  const failures: unknown[] = [];
  for (let run = pending.pop(); run !== undefined; run = pending.pop()) {
    try {
      await run();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw failures[0];
});

afterAll(async () => {
  const end = Date.now() + PATIENCE;
  while (leaks().length > 0 && Date.now() < end) await nextTurn();
  if (leaks().length > 0) throw new Error(`the tests left behind: ${leaks().join(", ")}`);
});

function leaks(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => LEAKS.includes(kind));
}
