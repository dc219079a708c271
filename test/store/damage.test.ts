import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect, isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { CarillonError } from "../../src/errors.js";
import { createStore, fileOf, openStore } from "../support/nodes/file-store.js";
import { runSource } from "../support/nodes/source-process.js";
import { temporaryFolder } from "../support/temporary-files.js";

const FILLER = join(__dirname, "programs/fill.ts");
/** Number of lines before the first batch: the header and two marks. */
const HEAD_LINES = 3;

/** Creates a stopped store whose last write revokes a key. Returns its folder, entries and file content. */
async function createStoppedStore() {
  const folder = temporaryFolder();
  const { store } = await openStore(folder);
  for (const key of ["a", "b", "c", "keys/_/1"]) await store.create(key, `${key} ü`);
  await Promise.all([store.create("d", "1"), store.create("e", "2")]);
  await store.delete("keys/_/1");
  const entries = await store.list("");
  await store.stop();
  return { folder, entries, content: readFileSync(fileOf(folder)) };
}

function splitLines(content: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < content.length; ) {
    const end = content.indexOf("\n", start);
    const next = end === -1 ? content.length : end + 1;
    lines.push(content.subarray(start, next));
    start = next;
  }
  return lines;
}

type Outcome = "detected" | "harmless" | { readonly fault: string };

/** Opens a changed file. Detected: rejected with the file's name, and the file is unchanged. Harmless: all entries are present. */
async function openDamaged(
  { entries, folder }: Awaited<ReturnType<typeof createStoppedStore>>,
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
  return readFileSync(fileOf(folder)).equals(changed) ? "detected" : { fault: "the file was changed" };
}

/** Returns the positions of the older and the newer mark, and the size of a mark, in bytes. */
function findMarks(content: Buffer): { older: number; newer: number; size: number } {
  const [header = "", first = "", second = ""] = splitLines(content).map(String);
  const [start, size] = [header.length, first.length];
  const places = [start, start + size] as const;
  // The length that a mark covers follows its check and the word "mark", and has a fixed number of digits.
  const isInOrder = first.slice(22) < second.slice(22);
  const [older, newer] = isInOrder ? places : places.toReversed();
  return { older: older ?? 0, newer: newer ?? 0, size };
}

test("A14: detects every changed byte, or loses nothing", async () => {
  const written = await createStoppedStore();
  const { content } = written;
  const { newer, size } = findMarks(content);
  for (let position = 0; position < content.length; position += 1) {
    const changed = Buffer.from(content);
    changed[position] = (changed[position] ?? 0) ^ (1 << (position % 8));
    // The lines show what the newer mark covers, unless they end at the older one.
    const isHarmless = position >= newer && position < newer + size;
    expect(await openDamaged(written, changed)).toBe(isHarmless ? "harmless" : "detected");
  }
});

test("A14: detects every truncation and every changed byte of the last line also when a mark is damaged", async () => {
  const written = await createStoppedStore();
  const { newer, older } = findMarks(written.content);
  const last = written.content.length - (splitLines(written.content).at(-1)?.length ?? 0);
  for (const mark of [older, newer]) {
    const content = Buffer.from(written.content).fill("x", mark, mark + 1);
    for (let position = last; position < content.length; position += 1) {
      expect(await openDamaged(written, content.subarray(0, position))).toBe("detected");
      const changed = Buffer.from(content);
      changed[position] = (changed[position] ?? 0) ^ 1;
      expect(await openDamaged(written, changed)).toBe("detected");
    }
  }
});

test("A14: detects every truncation of an acknowledged write", async () => {
  const written = await createStoppedStore();
  for (let size = 0; size < written.content.length; size += 1) {
    expect(await openDamaged(written, written.content.subarray(0, size))).toBe("detected");
  }
});

test("A14: detects a removed, repeated or moved line, and a line of an older file", async () => {
  const written = await createStoppedStore();
  const lines = splitLines(written.content);
  const older = splitLines((await createStoppedStore()).content);
  const numbers = lines.map((_, number) => number).slice(HEAD_LINES);
  const marks = Buffer.concat(lines.toSpliced(1, 0, lines[1] ?? Buffer.of()));
  expect(await openDamaged(written, marks)).toBe("detected");
  for (const one of numbers) {
    const removed = lines.toSpliced(one, 1);
    expect(await openDamaged(written, Buffer.concat(removed))).toBe("detected");
    const foreign = lines.with(one, older[one] ?? Buffer.of());
    expect(await openDamaged(written, Buffer.concat(foreign))).toBe("detected");
    for (const other of numbers) {
      const line = lines[one] ?? Buffer.of();
      const repeated = lines.toSpliced(other + 1, 0, line);
      expect(await openDamaged(written, Buffer.concat(repeated))).toBe("detected");
      if (other === one) continue;
      const moved = removed.toSpliced(other, 0, line);
      expect(await openDamaged(written, Buffer.concat(moved))).toBe("detected");
    }
  }
});

test("A14: never changes an entry silently when several kinds of random damage are combined", async () => {
  const written = await createStoppedStore();
  const kind = fc.constantFrom("flip", "cut", "remove", "repeat", "zero", "insert");
  const damage = fc.record({ kind, at: fc.nat(), size: fc.integer({ min: 1, max: 200 }), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
      let changed = Buffer.from(written.content);
      for (const { at, byte, kind: kindOfDamage, size } of damages) {
        const from = at % (changed.length + 1);
        const [head, part, tail] = [
          changed.subarray(0, from),
          changed.subarray(from, from + size),
          changed.subarray(from + size),
        ];
        const lines = splitLines(changed);
        // A mark is not copied over the other one. That would take three precise changes, which is tampering.
        const number =
          kindOfDamage === "repeat"
            ? HEAD_LINES + (at % Math.max(1, lines.length - HEAD_LINES))
            : at % Math.max(1, lines.length);
        const line = lines[number] ?? Buffer.of();
        if (kindOfDamage === "flip") changed = Buffer.concat([head, part.map((old) => old ^ byte), tail]);
        else if (kindOfDamage === "cut") changed = Buffer.from(head);
        else if (kindOfDamage === "remove") changed = Buffer.concat(lines.toSpliced(number, 1));
        else if (kindOfDamage === "repeat") changed = Buffer.concat(lines.toSpliced(number, 0, line));
        else if (kindOfDamage === "zero") changed = Buffer.concat([head, Buffer.alloc(part.length), tail]);
        else changed = Buffer.concat([head, Buffer.alloc(size, byte), part, tail]);
      }
      expect(await openDamaged(written, changed)).toMatch(/^(detected|harmless)$/);
    }),
    { numRuns: 150 },
  );
});

/** Creates a file with the writes of two store runs, `a` then `b`. Returns its content after the first run as `before`. */
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

test("A14: drops and logs a write that a crash cut off at any byte", async () => {
  const { before, folder } = await storeTwice("ü".repeat(50));
  const complete = readFileSync(fileOf(folder));

  for (let size = before.length; size < complete.length; size += 1) {
    // The mark is written after the line, so a crash during the line leaves the older mark.
    writeFileSync(fileOf(folder), Buffer.concat([before, complete.subarray(before.length, size)]));
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

test("A14: refuses to start when the last complete line is damaged, also before it has a mark", async () => {
  const { before, folder } = await storeTwice("1".repeat(100));
  const line = Buffer.from(readFileSync(fileOf(folder)).subarray(before.length));
  const damaged = Buffer.concat([before, line.fill(0, 30, 60)]);
  writeFileSync(fileOf(folder), damaged);
  await expect(openStore(folder)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `${fileOf(folder)} is damaged at byte ${before.length}, so keys or tokens revoked later could become valid again: restore the file from a backup, or move it away to start with an empty store`,
  });
  expect(readFileSync(fileOf(folder))).toEqual(damaged);
});

test("A14: repairs and logs a damaged newer mark", async () => {
  const { content, entries, folder } = await createStoppedStore();
  const position = findMarks(content).newer;
  writeFileSync(fileOf(folder), Buffer.from(content).fill(0, position, position + 8));
  const { errors, store } = await openStore(folder);
  expect(await store.list("")).toEqual(entries);
  expect(errors).toEqual([expect.stringMatching(/had an invalid mark/)]);
  await store.stop();
  const again = await openStore(folder);
  expect(again.errors).toEqual([]);
});

test("refuses the format of earlier development versions, with the reason", async () => {
  const folder = temporaryFolder();
  writeFileSync(fileOf(folder), '0123456789abcdef {"format":"carillon store 1","revision":0}\n');
  await expect(openStore(folder)).rejects.toThrow(/earlier development version of Carillon.*move it away/);
});

test("A14: keeps acknowledged writes and no rejected ones when it is killed on a full disk", async () => {
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
