import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Every rule of a dialect is named in the title of a test that shows it, and no title names one that there is not. */

const RULE = /\b[BSXIDG]\d+\b/g;

const rules = [...readFileSync(join(__dirname, "../PROTOCOL.md"), "utf8").matchAll(/^\| ([BSXIDG]\d+) \|/gm)].map(
  ([, rule = ""]) => rule,
);

/** Of tests, and of transcripts, whose titles begin with `# `. */
const titles = readdirSync(__dirname, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.(?:ts|txt)$/.test(file))
  .flatMap((file) => {
    const text = readFileSync(join(__dirname, file), "utf8");
    const pattern = file.endsWith(".txt") ? /^# (.*)$/gm : /["`]((?:[A-Z]\d+(?:, )?)+: [^"`]*)["`]/g;
    return [...text.matchAll(pattern)].map(([, title = ""]) => title);
  });

const named = new Set(titles.flatMap((title) => title.split(":")[0]?.match(RULE) ?? []));

test("every rule of a dialect has a test", () => {
  expect(rules.length).toBeGreaterThan(90);
  expect(rules.filter((rule) => !named.has(rule))).toEqual([]);
});

test("titles name rules that there are", () => {
  expect([...named].filter((rule) => !rules.includes(rule))).toEqual([]);
});
