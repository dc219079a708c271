import fc from "fast-check";
import { runSession } from "../../bench/fuzz/http2-check.js";
import { sessionArbitrary } from "../../bench/fuzz/http2-sessions.js";

test("keeps its bounds, and stays usable or ends with GOAWAY, when frames are random or damaged", () => {
  const outcomes = new Set<string>();
  fc.assert(
    fc.property(sessionArbitrary, (session) => {
      const { calls, goaway } = runSession(session);
      outcomes.add(goaway ?? (calls === 0 ? "idle" : "usable"));
    }),
    { numRuns: 1_000 },
  );
  // Sessions that all end early would show nothing.
  expect([...outcomes]).toEqual(expect.arrayContaining(["PROTOCOL_ERROR", "FRAME_SIZE_ERROR", "usable"]));
});
