import fc from "fast-check";
import { type LinkedEntry, LinkedList } from "../../src/util/linked-list.js";

test("holds the same values as a Set for any additions and removals", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20), { nil: undefined }), { maxLength: 60 }), (steps) => {
      const list = new LinkedList<number>();
      const set = new Set<number>();
      const entries: LinkedEntry<number>[] = [];
      for (const [value, removed] of steps.entries()) {
        if (removed === undefined) {
          entries.push(list.add(value));
          set.add(value);
        } else {
          const entry = entries[removed % entries.length];
          if (entry === undefined) continue;
          list.remove(entry);
          set.delete(entry.value);
        }
        expect(list.values()).toEqual([...set]);
        expect(list.isEmpty).toBe(set.size === 0);
      }
    }),
  );
});
