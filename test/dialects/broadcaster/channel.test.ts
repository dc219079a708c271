import fc from "fast-check";
import { isBroadcasterChannel } from "../../../src/dialects/broadcaster/decode.js";

/** Broadcaster's own expression, which takes exponential time for long names. */
const ORIGINAL = /^([\w-]+:?)*\w$/;

test.each(["c", "0", "_", "-a", "a-b", "news:sports:1", "re:a", "a".repeat(255)])(
  "B12: accepts the name %.20s",
  (name) => {
    expect(isBroadcasterChannel(name)).toBe(true);
  },
);

test.each(["", ":", "a:", ":a", "a::b", "a-", "a b", "a.b", "ü", "a\n", "*", "a".repeat(256)])(
  "B12: rejects the name %j",
  (name) => {
    expect(isBroadcasterChannel(name)).toBe(false);
  },
);

test("B12: accepts the names that broadcaster's expression accepts", () => {
  const names = fc.stringMatching(/^[a:_.\n-]{0,10}$/);
  fc.assert(
    fc.property(names, (name) => {
      expect(isBroadcasterChannel(name)).toBe(ORIGINAL.test(name));
    }),
    { numRuns: 3_000 },
  );
});

test("B12: rejects an invalid name in linear time", () => {
  // Broadcaster's own expression takes exponential time for each of these names.
  for (const end of ["!", "-", "::a"]) expect(isBroadcasterChannel("a".repeat(200) + end)).toBe(false);
});
