import { hashPassword, isPasswordHash, verifyPassword } from "../../src/access/keys/password-hash.js";

test("verifies the password of a hash, in each Unicode form, and no other one", async () => {
  const hash = await hashPassword("pässword");
  expect(hash).toMatch(/^scrypt:16:8:2:[\w-]{22}:[\w-]{43}$/);
  expect(await hashPassword("pässword")).not.toBe(hash);
  expect(isPasswordHash(hash)).toBe(true);
  expect(await verifyPassword("pässword".normalize("NFC"), hash)).toBe(true);
  expect(await verifyPassword("pässword".normalize("NFD"), hash)).toBe(true);
  for (const other of ["password", "pässword ", ""]) expect(await verifyPassword(other, hash)).toBe(false);
});

test.each([
  ["plain text", "password"],
  ["another function", "bcrypt:16:8:2:AAAAAAAAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  [
    "a cost that is cheap to attack",
    "scrypt:13:8:1:AAAAAAAAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  ],
  ["a cost that burdens the node", "scrypt:19:8:1:AAAAAAAAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  ["no parallelism", "scrypt:14:8:0:AAAAAAAAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  ["a short salt", "scrypt:14:8:1:AAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  ["a short hash", "scrypt:14:8:1:AAAAAAAAAAAAAAAAAAAAAA:AAAA"],
])("refuses %s as a hash", async (_what, text) => {
  expect(isPasswordHash(text)).toBe(false);
  await expect(verifyPassword("password", text)).rejects.toThrow("invalid password hash");
});
