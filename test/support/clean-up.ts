import { setImmediate as nextTurn } from "node:timers/promises";

type CleanUp = () => unknown;

const pending: CleanUp[] = [];

/** Runs after the test, last registered first, whatever its outcome. */
export function cleanUp(run: CleanUp): void {
  pending.push(run);
}

/** What a test may not leave behind: connections, listening ports, child processes. */
const LEAKS = ["TCPSocketWrap", "TCPServerWrap", "ProcessWrap"];
/** Ends of connections take some turns of the event loop to be seen by both sides; milliseconds. */
const PATIENCE = 3_000;

afterEach(async () => {
  for (let run = pending.pop(); run !== undefined; run = pending.pop()) await run();
});

afterAll(async () => {
  const end = Date.now() + PATIENCE;
  while (leaks().length > 0 && Date.now() < end) await nextTurn();
  expect(leaks()).toEqual([]);
});

function leaks(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => LEAKS.includes(kind));
}
