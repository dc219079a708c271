import { FENCED } from "./examples.js";

/** Section of docs/languages.md: the files and commands of one language, in order. */
export interface LanguageSection {
  /** Heading of the section, such as `Go`. */
  readonly language: string;
  readonly steps: readonly LanguageStep[];
}

export type LanguageStep =
  | { readonly kind: "file"; readonly path: string; readonly text: string }
  | { readonly kind: "commands"; readonly text: string; readonly needs: readonly string[] };

/** First line of a block that names the file in a comment of its language. */
const FILE = /^(?:\/\/|#|<!--|<\?php \/\/) (\S+\.\w+)(?: -->)?\n/;

/**
 * Reads the sections. `sh` blocks are commands, `sh needs NAME` ones need a program of that name; every other block is a
 * file, named by its first line.
 * @throws Error for a block that does not name its file
 */
export function readLanguageSections(page: string): LanguageSection[] {
  return page
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [language = ""] = section.split("\n");
      return { language, steps: [...section.matchAll(FENCED)].map(({ groups = {} }) => readStep(language, groups)) };
    });
}

function readStep(language: string, { code = "", info = "" }: Record<string, string>): LanguageStep {
  const [fence, flag, ...needs] = info.split(" ");
  if (fence === "sh") return { kind: "commands", text: code, needs: flag === "needs" ? needs : [] };
  const [firstLine = "", path] = FILE.exec(code) ?? [];
  if (path === undefined) throw new Error(`${language}: a block does not name its file`);
  // XML and PHP do not begin with a comment.
  const text = firstLine.startsWith("<!--") ? code.slice(firstLine.length) : code;
  return { kind: "file", path, text };
}
