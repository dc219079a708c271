import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cellsOf, PROTOCOL, readChapters, readRules, readWireExamples } from "./support/docs/chapters.js";

/** Checks the form of docs/protocol/, and that test titles name its rules. */

const chapters = readChapters();
const contents = readFileSync(join(PROTOCOL, "README.md"), "utf8");
const rules = chapters.flatMap((chapter) => readRules(chapter));
const ids = rules.map(({ id }) => id);

/** Titles of tests, and of transcripts, whose titles begin with `# `. */
const titles = readdirSync(__dirname, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.(?:ts|txt)$/.test(file))
  .flatMap((file) => {
    const text = readFileSync(join(__dirname, file), "utf8");
    const pattern = file.endsWith(".txt") ? /^# (.*)$/gm : /["`]((?:[A-Z]\d+(?:, )?)+: [^"`]*)["`]/g;
    return [...text.matchAll(pattern)].map(([, title = ""]) => title);
  });

/** Keys of the cases of error-table.test.ts, which are the titles of its tests. */
const errorCases = readdirSync(join(__dirname, "rpc/errors")).flatMap((file) =>
  [...readFileSync(join(__dirname, "rpc/errors", file), "utf8").matchAll(/^ {2}(?:async )?(E\d+)\b/gm)].map(
    ([, id = ""]) => id,
  ),
);

const named = new Set([...errorCases, ...titles.flatMap((title) => title.split(":")[0]?.match(/\b[A-Z]\d+\b/g) ?? [])]);

test("names every rule in the title of a test", () => {
  expect(rules.length).toBeGreaterThan(250);
  expect(ids.filter((id) => !named.has(id))).toEqual([]);
});

test("has every rule that a test title names", () => {
  expect([...named].filter((id) => !ids.includes(id))).toEqual([]);
});

test("numbers every rule once", () => {
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
});

test("lists each letter with the chapters of its rules", () => {
  const listed = [...contents.matchAll(/^\| ([A-Z]) \| (.*?) \|/gm)].flatMap(([, letter = "", cell = ""]) =>
    [...cell.matchAll(/\]\(([a-z-]+)\.md\)/g)].map(([, chapter]) => `${letter} ${chapter}`),
  );
  const used = new Set(rules.map(({ chapter, id }) => `${id.charAt(0)} ${chapter}`));
  expect(listed.toSorted()).toEqual([...used].toSorted());
});

test("lists every chapter", () => {
  const listed = [...contents.matchAll(/^- \[.*?\]\(([a-z]+)\.md\)/gm)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual(chapters.map(({ name }) => name).toSorted());
});

describe.each(chapters)("chapter $name", ({ name, text }) => {
  const headings = [...text.matchAll(/^#{2,} (.*)$/gm)].map(([, heading = ""]) => heading);

  test("begins with a list of its sections", () => {
    const sections = [...text.matchAll(/^## (.*)$/gm)].map(([, heading = ""]) => heading);
    const [, list = ""] = /^## Contents\n\n((?:- .*\n)+)/m.exec(text) ?? [];
    const links = sections.slice(1).map((heading) => `- [${heading}](#${anchorOf(heading)})`);
    expect(list.trimEnd().split("\n")).toEqual(links);
  });

  test("has an example of frames", () => {
    expect(readWireExamples({ name, text })).not.toEqual([]);
  });

  test("has details of the rules that link to them, and of no other", () => {
    const linked = readRules({ name, text }).filter(({ hasDetails }) => hasDetails);
    expect(new Set(headings.filter((heading) => /^[A-Z]\d+$/.test(heading)))).toEqual(
      new Set(linked.map(({ id }) => id)),
    );
  });

  test("speaks of rules that exist", () => {
    const prose = text.replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, "");
    const mentioned = [...prose.matchAll(/\b[A-Z]\d+\b/g)].map(([id]) => id);
    expect(mentioned.filter((id) => !ids.includes(id))).toEqual([]);
  });
});

const pages = [...chapters, { name: "README", text: contents }];

test.each(pages)("tables of $name have cells of at most 250 characters", ({ text }) => {
  const rows = text.split("\n").filter((line) => line.startsWith("|"));
  expect(rows.flatMap((row) => cellsOf(row)).filter((cell) => cell.length > 250)).toEqual([]);
});

test.each(pages)("links of $name lead somewhere", ({ text }) => {
  const broken = [...text.matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)].filter(([, file = "", anchor]) => {
    if (/^https?:/.test(file)) return false;
    const path = join(PROTOCOL, file);
    if (!existsSync(path)) return true;
    const target = file === "" ? text : readFileSync(path, "utf8");
    return anchor !== undefined && !anchorsIn(target).includes(anchor);
  });
  expect(broken.map(([link]) => link)).toEqual([]);
});

function anchorsIn(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading));
}

/** GitHub's anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\- _]/gu, "")
    .replaceAll(" ", "-");
}
