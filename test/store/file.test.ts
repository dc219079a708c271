import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { storeContract } from "../contract/store.js";
import { ManualClock } from "../support/manual-clock.js";
import { createStore, fileOf, openStore } from "../support/nodes/file-store.js";
import { runSource } from "../support/nodes/source-process.js";
import { temporaryFolder } from "../support/temporary-files.js";

const WRITER = join(__dirname, "programs/write-without-end.ts");
const FILLER = join(__dirname, "programs/fill.ts");

storeContract("file", async () => {
  const clock = new ManualClock();
  const { store } = await openStore(temporaryFolder(), clock);
  return { stores: [store, store], clock };
});

test("keeps entries and their revisions over a restart", async () => {
  const folder = join(temporaryFolder(), "made/for it");
  const clock = new ManualClock();
  const first = await openStore(folder, clock);
  const a = await first.store.create("a", "1");
  await first.store.update("a", "2", a);
  await first.store.create("b", "1");
  await first.store.create("gone", "1");
  await first.store.delete("gone");
  await first.store.create("expires", "1", { expires: 2_000 });
  await first.store.create("expired", "1", { expires: 1_000 });
  const before = await first.store.list("");
  await first.store.stop();

  clock.advance(1_500);
  const { errors, store } = await openStore(folder, clock);
  expect(await store.list("")).toEqual(before.filter(({ key }) => key !== "expired"));
  expect(await store.create("gone", "2")).toBeGreaterThan(Math.max(...before.map(({ revision }) => revision)));
  clock.advance(1_000);
  expect(await store.get("expires")).toBeUndefined();
  expect(errors).toEqual([]);
});

test("makes the folder and the file readable by their owner only", async () => {
  const folder = join(temporaryFolder(), "store");
  const { store } = await openStore(folder);
  await store.create("a", "1");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(fileOf(folder)).mode & 0o777).toBe(0o600);
});

test("syncs concurrent writes together", async () => {
  const folder = temporaryFolder();
  const { store } = await openStore(folder);
  await Promise.all(Array.from({ length: 500 }, (_, number) => store.create(`a/${number}`, "")));
  // The header with its marks, the first batch, and the writes that arrived during its sync.
  expect(readFileSync(fileOf(folder), "utf8").trim().split("\n").length).toBeLessThan(10);
  expect(await store.list("a/")).toHaveLength(500);
});

/** Number of lanes of programs/write-without-end.ts. */
const LANES = 8;

test("keeps every acknowledged write when it is killed at any moment", async () => {
  const folder = temporaryFolder();
  const answered = new Map<string, number>();
  for (let round = 0; round < 15; round += 1) {
    const writer = runSource(WRITER, [folder]);
    const count = 1 + Math.floor(Math.random() * 300);
    while (writer.lines.length < count) await writer.printed(/./, writer.lines.length);
    writer.child.kill("SIGKILL");
    await writer.ended;
    for (const line of writer.lines) {
      const [lane = "", number] = line.split(" ");
      if (!/^\d$/.test(lane)) throw new Error(line);
      answered.set(lane, Number(number));
    }

    const { store } = await openStore(folder);
    for (const [lane, number] of answered) {
      const entry = await store.get(`lane/${lane}`);
      expect(Number(entry?.value.split(" ")[0])).toBeGreaterThanOrEqual(number);
    }
    // A lane leaves at most the entry that it was about to delete and the one that it had just created.
    const made = await store.list("made/");
    expect(made.length).toBeLessThanOrEqual(2 * LANES);
    for (const { key } of made) await store.delete(key);
    await store.stop();
  }
  expect(answered.size).toBe(8);
  expect(readdirSync(folder)).toEqual(["entries.log"]);
});

test.each(["", "something else\n", "0123456789abcdef {}\n"])(
  "refuses to start on a file of another format: %j",
  async (content) => {
    const folder = temporaryFolder();
    writeFileSync(fileOf(folder), content);
    await expect(openStore(folder)).rejects.toMatchObject({ code: "failed_precondition" });
    expect(readFileSync(fileOf(folder), "utf8")).toBe(content);
  },
);

test("refuses an unusable folder, with the reason", async () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  await expect(openStore(file)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/file/),
  });
  const long = join(temporaryFolder(), "x".repeat(100));
  mkdirSync(long);
  await expect(openStore(long)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/too long/),
  });
});

test("keeps the file small when entries change often", async () => {
  const folder = temporaryFolder();
  const { store } = await openStore(folder);
  let revision = await store.create("a", "");
  for (let count = 0; count < 200; count += 1) revision = await store.update("a", "x".repeat(60_000), revision);
  expect(statSync(fileOf(folder)).size).toBeLessThan(2_000_000);
  await store.stop();
  const again = await openStore(folder);
  expect(await again.store.get("a")).toMatchObject({ revision });
});

test("ignores the remains of an interrupted rewrite", async () => {
  const folder = temporaryFolder();
  const first = await openStore(folder);
  await first.store.create("a", "1");
  await first.store.stop();
  appendFileSync(`${fileOf(folder)}.new`, "half of a");
  const { store } = await openStore(folder);
  expect(await store.get("a")).toMatchObject({ value: "1" });
  expect(readdirSync(folder)).toHaveLength(2);
});

test("refuses a folder that another store uses", async () => {
  const folder = temporaryFolder();
  const first = await openStore(folder);
  await expect(openStore(folder)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `${folder} is in use by another process`,
  });
  await first.store.create("a", "1");
  await first.store.stop();
  await openStore(folder);
});

test("never lets two of many concurrent starts use a folder", async () => {
  const folder = temporaryFolder();
  for (let round = 0; round < 5; round += 1) {
    const stores = Array.from({ length: 6 }, () => createStore(folder).store);
    const opened = await Promise.allSettled(stores.map((store) => store.start()));
    expect(opened.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(1);
    for (const store of stores) await store.stop();
  }
});

test("refuses a folder while its process is alive or frozen, and takes it when the process is dead", async () => {
  const folder = temporaryFolder();
  const { child, ended, printed } = runSource(WRITER, [folder]);
  await printed(/^0 /);
  await expect(openStore(folder)).rejects.toMatchObject({ code: "failed_precondition" });
  child.kill("SIGSTOP");
  await expect(openStore(folder)).rejects.toMatchObject({ code: "failed_precondition" });
  child.kill("SIGKILL");
  await ended;
  const { store } = await openStore(folder);
  expect(await store.get("lane/0")).toBeDefined();
});

test("rejects writes and serves reads while the disk is full, and recovers when there is space", async () => {
  const folder = temporaryFolder();
  // A soft limit of 100 KiB for any file, which the test raises later.
  const { child, lines, printed } = runSource(FILLER, [folder], "ulimit -S -f 200");
  await printed(/^up$/);
  child.stdin?.write("create a 40000\n");
  await printed(/^created a$/);
  child.stdin?.write("create b 64000\n");
  await printed(/^b unavailable$/);
  await printed(/^down$/);
  child.stdin?.write("get a\nget b\n");
  await printed(/^got a 40000$/);
  await printed(/^got b nothing$/);
  const goneOn = lines.length;
  child.stdin?.write("create c 30000\ncreate a 1\n");
  await printed(/^created c$/, goneOn);
  await printed(/^a already_exists$/, goneOn);
  // A failure rejects all writes of its batch.
  child.stdin?.write("create d 10\ncreate e 60000\n");
  await printed(/^e unavailable$/);
  const failed = lines.length;

  execFileSync("prlimit", ["--pid", String(child.pid), "--fsize=unlimited"]);
  await printed(/^up$/, failed);
  child.stdin?.write("create e 60000\n");
  await printed(/^created e$/, failed);
  child.kill("SIGKILL");
  const { errors, store } = await openStore(folder);
  const sizes = (await store.list("")).map(({ key, value }) => `${key} ${value.length}`);
  expect(sizes.filter((line) => !line.startsWith("d"))).toEqual(["a 40000", "c 30000", "e 60000"]);
  expect(sizes.some((line) => line.startsWith("d"))).toBe(lines.includes("created d"));
  expect(errors).toEqual([]);
});

test("leaves nothing of a failed write in the file", async () => {
  const folder = temporaryFolder();
  const { child, ended, printed } = runSource(FILLER, [folder], "ulimit -S -f 200");
  await printed(/^up$/);
  child.stdin?.write("create a 40000\n");
  await printed(/^created a$/);
  const size = statSync(fileOf(folder)).size;
  child.stdin?.write("create b 64000\n");
  await printed(/^b unavailable$/);
  child.kill("SIGKILL");
  await ended;
  expect(statSync(fileOf(folder)).size).toBe(size);
  expect(await (await openStore(folder)).store.list("")).toMatchObject([{ key: "a" }]);
});
