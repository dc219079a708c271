import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

const root = join(__dirname, "..");

/** Folders that do not belong to the repository. */
const FOREIGN = /(?:^|\/)(?:node_modules|dist[^/]*|generated|coverage|\.[^/]+)(?:\/|$)/;

/** Markdown files by their path from the root, without their code blocks. */
const pages: ReadonlyMap<string, string> = new Map(
  listMarkdown("").map((file) => [file, readFileSync(join(root, file), "utf8").replaceAll(/^```[\s\S]*?^```$/gm, "")]),
);

function listMarkdown(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (FOREIGN.test(path)) return [];
    if (entry.isDirectory()) return listMarkdown(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/** Targets of a page's links to files and headings of the repository. */
function linksOf(page: string): string[] {
  return [...page.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

/** Anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of page.matchAll(/^#+ (.*)$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** Path of the file or folder that a page links to. */
function targetOf(from: string, link: string): string {
  const [file = ""] = link.split("#");
  return file === "" ? from : posix.join(dirname(from), file).replace(/\/$/, "");
}

/** Describes the error of a link; undefined if its target exists. */
function faultOf(from: string, link: string): string | undefined {
  const [, anchor] = link.split("#");
  const path = targetOf(from, link);
  if (!existsSync(join(root, path))) return `${from}: no file ${link}`;
  if (anchor === undefined) return undefined;
  const page = pages.get(path);
  return page !== undefined && anchorsOf(page).has(anchor) ? undefined : `${from}: no heading ${link}`;
}

test("resolves the links of all Markdown files to a file and a heading", () => {
  const links = [...pages].flatMap(([from, page]) => linksOf(page).map((link) => [from, link] as const));
  expect(links.length).toBeGreaterThan(100);
  expect(links.flatMap(([from, link]) => faultOf(from, link) ?? [])).toEqual([]);
});

test("finds the files and folders that Markdown names by their path", () => {
  const named = [...pages].flatMap(([from, page]) =>
    [...page.matchAll(/`([^`\n]+)`/g)]
      .flatMap(([, code = ""]) => code.split(" "))
      .filter((word) => /^(?:src|test|bench|scripts|proto|docs|page)\/[\w./-]+$/.test(word))
      .map((path) => [from, path]),
  );
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter(([, path = ""]) => !existsSync(join(root, path)))).toEqual([]);
});

test("CONTRIBUTING quotes code as it is", () => {
  const page = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const quotes = [...page.matchAll(/^```\w+\n\/\/ (\S+)\n([\s\S]*?)\n```$/gm)];
  expect(quotes.length).toBeGreaterThan(2);
  const wrong = quotes.filter(([, path = "", code = ""]) => !readFileSync(join(root, path), "utf8").includes(code));
  expect(wrong.map(([, path]) => path)).toEqual([]);
});

test("finds the npm scripts that Markdown names", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
  const named = [...pages].flatMap(([from, page]) =>
    [...page.matchAll(/`npm (?:run )?(test|start|(?<=run )[\w:]+)\b/g)].map(([, script = ""]) => [from, script]),
  );
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter(([, script = ""]) => !(script in scripts))).toEqual([]);
});

test("packs every file that the npm package's pages link to", () => {
  const { stdout } = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 24,
  });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const packed = files.map(({ path }) => path);
  expect(packed).toContain("docs/README.md");
  const links = [...pages]
    .filter(([from]) => packed.includes(from))
    .flatMap(([from, page]) => linksOf(page).map((link) => ({ from, path: targetOf(from, link) })));
  const isPacked = (path: string): boolean => packed.some((file) => file === path || file.startsWith(`${path}/`));
  expect(links.filter(({ path }) => !isPacked(path))).toEqual([]);
});

test("lists every page of docs/ in docs/README.md", () => {
  const listed = linksOf(pages.get("docs/README.md") ?? "").map((link) => posix.join("docs", link));
  const guides = [...pages.keys()].filter((file) => /^docs\/(?:moving\/)?[a-z-]+\.md$/.test(file));
  expect(guides.filter((file) => !listed.includes(file))).toEqual([]);
});

test("lists every decision in docs/decisions/README.md", () => {
  const listed = linksOf(pages.get("docs/decisions/README.md") ?? "");
  const files = readdirSync(join(root, "docs", "decisions")).filter((file) => file !== "README.md");
  expect(listed.toSorted()).toEqual(files.toSorted());
});

test("has each term once in docs/glossary.md, with a link from README", () => {
  const terms = [...(pages.get("docs/glossary.md") ?? "").matchAll(/^\| ([^|]+?) \| /gm)].map(([, term]) => term);
  const entries = terms.filter((term) => term !== "term");
  expect(entries.length).toBeGreaterThan(50);
  expect(entries.filter((term, position) => entries.indexOf(term) !== position)).toEqual([]);
  expect(pages.get("README.md")).toContain("(docs/glossary.md)");
});
