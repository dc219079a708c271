import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect, isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { CarillonError } from "../../src/errors.js";
import { createStore, fileOf, openStore } from "../support/nodes/file-store.js";
import { runSource } from "../support/nodes/source-process.js";
import { temporaryFolder } from "../support/temporary-files.js";

const FILLER = join(__dirname, "programs/fill.ts");
/** Lines before the first batch: the header and two marks. */
const HEAD_LINES = 3;

/** A store that ends with the revocation of a key, stopped; its file, and what it held. */
async function writtenStore() {
  const folder = temporaryFolder();
  const { store } = await openStore(folder);
  for (const key of ["a", "b", "c", "keys/_/1"]) await store.create(key, `${key} ü`);
  await Promise.all([store.create("d", "1"), store.create("e", "2")]);
  await store.delete("keys/_/1");
  const entries = await store.list("");
  await store.stop();
  return { folder, entries, content: readFileSync(fileOf(folder)) };
}

function linesOf(content: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < content.length; ) {
    const end = content.indexOf("\n", start);
    const next = end === -1 ? content.length : end + 1;
    lines.push(content.subarray(start, next));
    start = next;
  }
  return lines;
}

type Outcome = "noticed" | "harmless" | { readonly fault: string };

/** Opens a changed file. Noticed: refused with a word about the file, which stays as it is. Harmless: all entries are there. */
async function outcomeOf(
  { entries, folder }: Awaited<ReturnType<typeof writtenStore>>,
  changed: Buffer,
): Promise<Outcome> {
  writeFileSync(fileOf(folder), changed);
  const { errors, store } = createStore(folder);
  const refusal = await store.start().then(
    () => undefined,
    (cause: unknown) => cause,
  );
  const found = refusal === undefined ? await store.list("") : [];
  await store.stop();
  if (refusal === undefined) {
    return isDeepStrictEqual(found, entries) ? "harmless" : { fault: `changed: ${JSON.stringify({ found, errors })}` };
  }
  const isClear =
    refusal instanceof CarillonError &&
    refusal.code === "failed_precondition" &&
    refusal.message.startsWith(fileOf(folder));
  if (!isClear) return { fault: `unclear: ${inspect(refusal)}` };
  return readFileSync(fileOf(folder)).equals(changed) ? "noticed" : { fault: "the file was changed" };
}

test("A14: every changed byte is noticed or harms nothing", async () => {
  const written = await writtenStore();
  const { content } = written;
  const [header, mark] = linesOf(content);
  const marksAt = header?.length ?? 0;
  for (let position = 0; position < content.length; position += 1) {
    const changed = Buffer.from(content);
    changed[position] = (changed[position] ?? 0) ^ (1 << (position % 8));
    // One of the two marks is enough.
    const isInMarks = position >= marksAt && position < marksAt + 2 * (mark?.length ?? 0);
    expect(await outcomeOf(written, changed)).toBe(isInMarks ? "harmless" : "noticed");
  }
});

test("A14: every cut of an answered write is noticed", async () => {
  const written = await writtenStore();
  for (let size = 0; size < written.content.length; size += 1) {
    expect(await outcomeOf(written, written.content.subarray(0, size))).toBe("noticed");
  }
});

test("A14: a line that was removed, repeated or moved is noticed, also one of an older file", async () => {
  const written = await writtenStore();
  const lines = linesOf(written.content);
  const older = linesOf((await writtenStore()).content);
  const numbers = lines.map((_, number) => number).slice(HEAD_LINES);
  const marks = Buffer.concat(lines.toSpliced(1, 0, lines[1] ?? Buffer.of()));
  expect(await outcomeOf(written, marks)).toBe("noticed");
  for (const one of numbers) {
    const removed = lines.toSpliced(one, 1);
    expect(await outcomeOf(written, Buffer.concat(removed))).toBe("noticed");
    const foreign = lines.with(one, older[one] ?? Buffer.of());
    expect(await outcomeOf(written, Buffer.concat(foreign))).toBe("noticed");
    for (const other of numbers) {
      const line = lines[one] ?? Buffer.of();
      const repeated = lines.toSpliced(other + 1, 0, line);
      expect(await outcomeOf(written, Buffer.concat(repeated))).toBe("noticed");
      if (other === one) continue;
      const moved = removed.toSpliced(other, 0, line);
      expect(await outcomeOf(written, Buffer.concat(moved))).toBe("noticed");
    }
  }
});

test("A14: random damage of several kinds at once never changes an entry in silence", async () => {
  const written = await writtenStore();
  const kind = fc.constantFrom("flip", "cut", "remove", "repeat", "zero", "insert");
  const damage = fc.record({ kind, at: fc.nat(), size: fc.integer({ min: 1, max: 200 }), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
      let changed = Buffer.from(written.content);
      for (const { at, byte, kind: what, size } of damages) {
        const from = at % (changed.length + 1);
        const [head, part, tail] = [
          changed.subarray(0, from),
          changed.subarray(from, from + size),
          changed.subarray(from + size),
        ];
        const lines = linesOf(changed);
        const number = at % Math.max(1, lines.length);
        const line = lines[number] ?? Buffer.of();
        if (what === "flip") changed = Buffer.concat([head, part.map((old) => old ^ byte), tail]);
        else if (what === "cut") changed = Buffer.from(head);
        else if (what === "remove") changed = Buffer.concat(lines.toSpliced(number, 1));
        else if (what === "repeat") changed = Buffer.concat(lines.toSpliced(number, 0, line));
        else if (what === "zero") changed = Buffer.concat([head, Buffer.alloc(part.length), tail]);
        else changed = Buffer.concat([head, Buffer.alloc(size, byte), part, tail]);
      }
      expect(await outcomeOf(written, changed)).toMatch(/^(noticed|harmless)$/);
    }),
    { numRuns: 150 },
  );
}, 30_000);

/** A file that a first store with entry `a`, and a second with entry `b`, have written; and what it held in between. */
async function storeTwice(second: string): Promise<{ folder: string; before: Buffer }> {
  const folder = temporaryFolder();
  const contents: Buffer[] = [];
  for (const [key, value] of [
    ["a", "1"],
    ["b", second],
  ] as const) {
    const { store } = await openStore(folder);
    await store.create(key, value);
    await store.stop();
    contents.push(readFileSync(fileOf(folder)));
  }
  const [before = Buffer.alloc(0)] = contents;
  return { folder, before };
}

test("A14: a write that a crash cut off is dropped, wherever it ends, and logged", async () => {
  const { before, folder } = await storeTwice("ü".repeat(50));
  const whole = readFileSync(fileOf(folder));

  for (let size = before.length; size < whole.length; size += 1) {
    // The mark is written after the line, so a crash during the line leaves the older one.
    writeFileSync(fileOf(folder), Buffer.concat([before, whole.subarray(before.length, size)]));
    const { errors, store: reopened } = await openStore(folder);
    expect(await reopened.list("")).toMatchObject([{ key: "a", value: "1" }]);
    expect(errors).toHaveLength(size === before.length ? 0 : 1);
    expect(errors.join("")).toMatch(/^$|ended with an incomplete line, as after a crash/);
    await reopened.create("b", "2");
    await reopened.stop();
    const again = await openStore(folder);
    expect(await again.store.list("")).toMatchObject([{ key: "a" }, { key: "b", value: "2" }]);
    expect(again.errors).toEqual([]);
    await again.store.stop();
  }
});

test("A14: a complete last line that does not check refuses the start, also before it has a mark", async () => {
  const { before, folder } = await storeTwice("1".repeat(100));
  const line = Buffer.from(readFileSync(fileOf(folder)).subarray(before.length));
  const damaged = Buffer.concat([before, line.fill(0, 30, 60)]);
  writeFileSync(fileOf(folder), damaged);
  await expect(openStore(folder)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `${fileOf(folder)} is damaged at byte ${before.length}, and keys or tokens that were revoked after it could be valid again: restore it from a backup, or move it away to start with an empty store`,
  });
  expect(readFileSync(fileOf(folder))).toEqual(damaged);
});

test("A14: one damaged mark is mended and logged", async () => {
  const { content, entries, folder } = await writtenStore();
  const position = content.indexOf("mark ");
  writeFileSync(fileOf(folder), Buffer.from(content).fill(0, position, position + 8));
  const { errors, store } = await openStore(folder);
  expect(await store.list("")).toEqual(entries);
  expect(errors).toEqual([expect.stringMatching(/had a mark that did not check/)]);
  await store.stop();
  const again = await openStore(folder);
  expect(again.errors).toEqual([]);
});

test("refuses the format of earlier development versions, and says so", async () => {
  const folder = temporaryFolder();
  writeFileSync(fileOf(folder), '0123456789abcdef {"format":"carillon store 1","revision":0}\n');
  await expect(openStore(folder)).rejects.toThrow(/earlier development version of Carillon.*move it away/);
});

test("A14: what was answered before SIGKILL on a full disk is whole, and what was refused is not there", async () => {
  const folder = temporaryFolder();
  const { child, ended, printed } = runSource(FILLER, [folder], "ulimit -S -f 200");
  await printed(/^up$/);
  child.stdin?.write("create a 40000\n");
  await printed(/^created a$/);
  child.stdin?.write("create b 64000\n");
  await printed(/^b unavailable$/);
  child.stdin?.write("create c 10\n");
  await printed(/^created c$/);
  child.kill("SIGKILL");
  await ended;
  const size = statSync(fileOf(folder)).size;
  const { errors, store } = await openStore(folder);
  expect(await store.list("")).toMatchObject([{ key: "a" }, { key: "c" }]);
  expect(errors).toEqual([]);
  expect(statSync(fileOf(folder)).size).toBe(size);
});
