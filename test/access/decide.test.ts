import { type AccessRules, decide } from "../../src/access/decide/decide.js";
import { type Grants, Permissions } from "../../src/access/decide/permissions.js";

const PRIVATE: AccessRules = {
  match: "t*",
  access: "private",
  clientPublish: false,
  presence: false,
  history: undefined,
};

function ask(
  action: "join" | "publish" | "call" | "presence" | "history",
  grants: Grants,
  rules: Partial<AccessRules> = {},
  user?: string,
) {
  const principal = { user, permissions: Permissions.of(grants) };
  return decide({ action, topic: "topic", principal, rules: { ...PRIVATE, ...rules } });
}

const OPEN = { access: "open" } as const;
const SENDING = { clientPublish: true };
const PRESENT = { presence: true };
const STORED = { history: {} };

test.each([
  ["join", {}, {}, false],
  ["join", {}, OPEN, true],
  ["join", { join: ["topic"] }, {}, true],
  ["join", { join: ["other", "to*"] }, {}, true],
  ["join", { join: ["other"] }, {}, false],
  ["join", { publish: ["*"], call: ["*"], presence: ["*"] }, {}, false],
  ["publish", {}, OPEN, false],
  ["publish", {}, { ...OPEN, ...SENDING }, true],
  ["publish", {}, SENDING, false],
  ["publish", { join: ["topic"] }, SENDING, true],
  ["publish", { join: ["topic"] }, {}, false],
  ["publish", { publish: ["topic"] }, {}, true],
  ["publish", { publish: ["other"] }, OPEN, false],
  ["presence", { presence: ["topic"] }, {}, false],
  ["presence", { presence: ["topic"] }, PRESENT, true],
  ["presence", { join: ["topic"] }, PRESENT, true],
  ["presence", {}, { ...OPEN, ...PRESENT }, true],
  ["presence", {}, PRESENT, false],
  ["presence", {}, OPEN, false],
  ["history", { history: ["topic"] }, {}, false],
  ["history", { history: ["topic"] }, STORED, true],
  ["history", { join: ["topic"] }, STORED, true],
  ["history", { publish: ["*"], call: ["*"], presence: ["*"] }, STORED, false],
  ["history", {}, { ...OPEN, ...STORED }, true],
  ["history", {}, STORED, false],
  ["history", {}, OPEN, false],
  ["join", { history: ["*"] }, STORED, false],
  ["call", {}, { ...OPEN, ...SENDING, ...PRESENT }, false],
  ["call", { call: ["topic"] }, {}, true],
  ["call", { join: ["*"], publish: ["*"], presence: ["*"] }, {}, false],
] as const)("%s with %j under %j: %s", (action, grants, rules, expected) => {
  const { allowed, reason } = ask(action, grants, rules);
  expect(allowed).toBe(expected);
  expect(reason).not.toBe("");
});

test("names the rule or permission that decided", () => {
  expect(ask("join", { join: ["to*"] }, {}, "eve").reason).toBe('the permission "to*" of user "eve" allows it (join)');
  expect(ask("join", {}, OPEN).reason).toBe('the rule "t*" is open');
  expect(ask("join", {}).reason).toBe('the rule "t*" makes it private, and no permission to join matches "topic"');
  expect(ask("publish", {}).reason).toContain('the rule "t*" does not let clients publish');
  expect(ask("publish", { join: ["to*"] }, SENDING).reason).toContain('the permission "to*" of an anonymous client');
  expect(ask("publish", {}, SENDING).reason).toContain("makes it private");
  expect(ask("presence", { presence: ["*"] }).reason).toBe('the rule "t*" has no presence');
});

test("merges permissions without changing either", () => {
  const one = Permissions.of({ join: ["a"], call: ["c"] });
  const other = Permissions.of({ join: ["b", "a"], publish: ["p"] });
  const both = one.merged(other);
  expect(both.grants).toEqual({ join: ["a", "b"], call: ["c"], publish: ["p"] });
  expect(JSON.parse(JSON.stringify(both))).toEqual(both.grants);
  expect(one.grants).toEqual({ join: ["a"], call: ["c"] });
  expect(one.merged(Permissions.NONE)).toBe(one);
  expect(Permissions.NONE.merged(one)).toBe(one);
  expect(Permissions.of({ join: [], publish: undefined })).toBe(Permissions.NONE);
  expect([both.allows("join", "b"), both.allows("publish", "b"), both.grantFor("call", "c")]).toEqual([
    true,
    false,
    "c",
  ]);
});

test("names the action of an invalid pattern", () => {
  expect(() => Permissions.of({ publish: ["a*b"] })).toThrow(/permission publish: pattern "a\*b"/);
});

test("copies the lists that permissions are made of", () => {
  const join = ["a"];
  const permissions = Permissions.of({ join });
  join.push("b");
  expect([permissions.allows("join", "b"), permissions.grants]).toEqual([false, { join: ["a"] }]);
});
