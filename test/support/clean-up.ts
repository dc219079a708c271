type CleanUp = () => unknown;

const pending: CleanUp[] = [];

/** Runs after the test, last registered first, whatever its outcome. */
export function cleanUp(run: CleanUp): void {
  pending.push(run);
}

afterEach(async () => {
  for (let run = pending.pop(); run !== undefined; run = pending.pop()) await run();
});
