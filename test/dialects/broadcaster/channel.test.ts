import fc from "fast-check";
import { isBroadcasterChannel } from "../../../src/dialects/broadcaster/decode.js";

/** As broadcaster has it: fit for short names only. */
const ORIGINAL = /^([\w-]+:?)*\w$/;

test.each(["c", "0", "_", "-a", "a-b", "news:sports:1", "re:a", "a".repeat(255)])(
  "B12: accepts the name %.20s",
  (name) => {
    expect(isBroadcasterChannel(name)).toBe(true);
  },
);

test.each(["", ":", "a:", ":a", "a::b", "a-", "a b", "a.b", "ü", "a\n", "*", "a".repeat(256)])(
  "B12: %j is none",
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
  // By broadcaster's own expression a single one takes longer than there is time.
  for (const end of ["!", "-", "::a"]) expect(isBroadcasterChannel("a".repeat(200) + end)).toBe(false);
});
