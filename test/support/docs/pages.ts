import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../src/util/package-root.js";

/** Reads a Markdown file of the repository, by its path from the root. */
export function readPage(path: string): string {
  return readFileSync(join(packageRoot, path), "utf8");
}

/** Paths of the Markdown files of docs/, from the root, sorted. */
export function docsPages(): string[] {
  return readdirSync(join(packageRoot, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file.replaceAll("\\", "/")}`)
    .toSorted();
}

/** Returns the part of a page below a heading of level 2. @throws Error if the page has no such heading */
export function sectionOf(page: string, title: string): string {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`));
  if (section === undefined) throw new Error(`no section "${title}"`);
  return section;
}

/** Replaces every run of white space by one space, to find sentences across line ends. */
export function joinLines(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}
