import { verifyPassword } from "../../src/access/keys/password-hash.js";
import { startNode } from "../support/nodes/node.js";
import { runCarillon } from "../support/nodes/process.js";

test("carillon admin password prints a hash that the configuration accepts", async () => {
  const { code, stderr, stdout } = await runCarillon(["admin", "password"], { input: "correct horse\n" });
  expect([code, stderr]).toEqual([0, ""]);
  const hash = stdout.trimEnd();
  expect(await verifyPassword("correct horse", hash)).toBe(true);
  const node = await startNode({ admin: { password_hash: hash } });
  expect((await fetch(`${node.http}/admin`)).status).toBe(200);
});

test.each([
  ["shorter than 8 characters", "1234567", "expected at least 8 characters on stdin"],
  ["longer than 1,024 bytes", "x".repeat(1_025), "expected at most 1024 bytes on stdin"],
])("carillon admin password refuses a password %s", async (_what, input, message) => {
  const { code, stderr, stdout } = await runCarillon(["admin", "password"], { input });
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
});

test("a node refuses an invalid hash, and does not show it", async () => {
  const password = "secret in the wrong place";
  await expect(startNode({ admin: { password_hash: password } })).rejects.toThrow(
    "admin.password_hash: expected the output of carillon admin password",
  );
  await expect(startNode({ admin: { password_hash: password } })).rejects.not.toThrow(password);
});
