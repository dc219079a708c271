import fc from "fast-check";
import { MergeRun, mergeSteps } from "./merge-run.js";

test("H2: replays and live messages are what a plain model says after any steps", async () => {
  const scripts = fc.array(mergeSteps, { minLength: 10, maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const run = new MergeRun();
      for (const step of script) await run.take(step);
      await run.end();
    }),
    { numRuns: 200 },
  );
  expect.hasAssertions();
});
