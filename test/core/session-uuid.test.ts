import fc from "fast-check";
import { fromSessionUuid, toSessionUuid } from "../../src/core/session-uuid.js";

test("X1: converts a session id to a UUID and back", () => {
  expect(toSessionUuid("0123456789ab.1z")).toBe("01234567-89ab-8000-8000-000000000047");
  expect(fromSessionUuid("01234567-89AB-8000-8000-000000000047")).toBe("0123456789ab.1z");
  fc.assert(
    fc.property(fc.nat(2 ** 24 - 1), fc.nat(2 ** 24 - 1), fc.maxSafeNat(), (high, low, count) => {
      const node = (high * 2 ** 24 + low).toString(16).padStart(12, "0");
      const id = `${node}.${count.toString(36)}`;
      const uuid = toSessionUuid(id);
      expect(uuid).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
      expect(fromSessionUuid(uuid)).toBe(id);
    }),
  );
});

test.each(["", "n.1", "0123456789ab.", "0123456789ab-1", "0123456789ab.zzzzzzzzzzz", "a backend's own"])(
  "X1: another text stays as it is: %j",
  (text) => {
    expect(toSessionUuid(text)).toBe(text);
    expect(fromSessionUuid(text)).toBe(text);
  },
);

test("X1: returns the text unchanged when it is not a session's UUID", () => {
  const random = "9b2f1c3e-0000-4000-8000-0123456789ab";
  expect(fromSessionUuid(random)).toBe(random);
  const beyond = "01234567-89ab-8000-8fff-ffffffffffff";
  expect(fromSessionUuid(beyond)).toBe(beyond);
});
