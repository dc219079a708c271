import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Openings and phrases that house style rules out; CONTRIBUTING.md has the reasons. */
const RULED_OUT: readonly RegExp[] = [
  /^\s*(?:\/\*\*|\*|\/\/) (?:Of|What|Who|Whoever|Whose|That|Those)\b/,
  /^\s*(?:\/\*\*|\*|\/\/).*\b(?:whose time is up|none that there is|that there is none|so-manieth|is no longer heard)\b/,
  /^\s*(?:\/\*\*|\*|\/\/).*\b[Uu]ndefined where\b/,
];

const root = join(__dirname, "..");

const sources = ["src", "client/src", "test", "bench", "scripts", "page", "examples"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(?:ts|mjs|js)$/.test(file))
    .map((file) => join(folder, file)),
);

test("starts comments with a noun or a verb", () => {
  expect(sources.length).toBeGreaterThan(500);
  const found = sources.flatMap((file) =>
    readFileSync(join(root, file), "utf8")
      .split("\n")
      .flatMap((line, position) =>
        RULED_OUT.some((pattern) => pattern.test(line)) ? [`${file}:${position + 1}: ${line.trim()}`] : [],
      ),
  );
  expect(found).toEqual([]);
});
