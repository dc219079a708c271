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

test("what was written is there after a restart, with its revisions", async () => {
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

test("only its owner can read it", async () => {
  const folder = join(temporaryFolder(), "store");
  const { store } = await openStore(folder);
  await store.create("a", "1");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(fileOf(folder)).mode & 0o777).toBe(0o600);
});

test("writes that come at once share the disk's turns", async () => {
  const folder = temporaryFolder();
  const { store } = await openStore(folder);
  await Promise.all(Array.from({ length: 500 }, (_, number) => store.create(`a/${number}`, "")));
  // The head, the first turn, and who came during it.
  expect(readFileSync(fileOf(folder), "utf8").trim().split("\n").length).toBeLessThan(10);
  expect(await store.list("a/")).toHaveLength(500);
});

/** Of the writer: see programs/write-without-end.ts. */
const LANES = 8;

test("every answered write is there after SIGKILL at any moment", async () => {
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
    // What was deleted is: of each lane, answered before or not, there is the one that it was about to delete, or had made.
    const made = await store.list("made/");
    expect(made.length).toBeLessThanOrEqual(2 * LANES);
    for (const { key } of made) await store.delete(key);
    await store.stop();
  }
  expect(answered.size).toBe(8);
  expect(readdirSync(folder)).toEqual(["entries.log"]);
}, 60_000);

test.each(["", "something else\n", "0123456789abcdef {}\n"])(
  "a file that is no store is refused: %j",
  async (content) => {
    const folder = temporaryFolder();
    writeFileSync(fileOf(folder), content);
    await expect(openStore(folder)).rejects.toMatchObject({ code: "failed_precondition" });
    expect(readFileSync(fileOf(folder), "utf8")).toBe(content);
  },
);

test("a folder that cannot be used is refused, and says why", async () => {
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

test("the file stays small, however often entries change", async () => {
  const folder = temporaryFolder();
  const { store } = await openStore(folder);
  let revision = await store.create("a", "");
  for (let count = 0; count < 200; count += 1) revision = await store.update("a", "x".repeat(60_000), revision);
  expect(statSync(fileOf(folder)).size).toBeLessThan(2_000_000);
  await store.stop();
  const again = await openStore(folder);
  expect(await again.store.get("a")).toMatchObject({ revision });
});

test("what a rewrite that was cut off has left is no fault", async () => {
  const folder = temporaryFolder();
  const first = await openStore(folder);
  await first.store.create("a", "1");
  await first.store.stop();
  appendFileSync(`${fileOf(folder)}.new`, "half of a");
  const { store } = await openStore(folder);
  expect(await store.get("a")).toMatchObject({ value: "1" });
  expect(readdirSync(folder)).toHaveLength(2);
});

test("a folder belongs to one store", async () => {
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

test("of many that open a folder at once never two have it", async () => {
  const folder = temporaryFolder();
  for (let round = 0; round < 5; round += 1) {
    const stores = Array.from({ length: 6 }, () => createStore(folder).store);
    const opened = await Promise.allSettled(stores.map((store) => store.start()));
    expect(opened.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(1);
    for (const store of stores) await store.stop();
  }
});

test("a folder belongs to one process, also while that is frozen, and to nobody when it is dead", async () => {
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

test("a full disk: writes are unavailable, what there is can be read, and it goes on when there is space", async () => {
  const folder = temporaryFolder();
  // 100 KiB for any file; the limit can be raised later.
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
  // With others at once: none of them.
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

test("a write that failed has left nothing in the file", async () => {
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
