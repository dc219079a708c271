/**
 * Reads the fenced blocks of a page of documentation as examples:
 *
 * - `sh` is run by a shell, `js` by Node; `yaml`, `html` and `tsx` are files. A first line `// NAME`, `# NAME` or
 *   `<!-- NAME -->` names the file.
 * - `sh keeps running` and `js keeps running` run in the background.
 * - `text` is the output of the example before it: `…` matches anything within a line, and any lines on a separate line.
 * - `text heard` is the output of a listener after all examples above.
 */
export interface Example {
  /** Line of the fence, from 1. */
  readonly line: number;
  readonly language: "sh" | "js" | "yaml" | "html" | "tsx";
  readonly keepsRunning: boolean;
  readonly code: string;
  readonly file: string | undefined;
  readonly prints: string | undefined;
}

export interface Examples {
  readonly examples: readonly Example[];
  /** Lines of the block `text heard`. */
  readonly heard: readonly string[];
}

export const FENCED = /^```(?<info>.*)\n(?<code>[\s\S]*?)\n```$/gm;

/** @throws Error for any other block, so that none is overlooked */
export function readExamples(page: string): Examples {
  const examples: Example[] = [];
  let heard: readonly string[] = [];
  for (const { groups: { code = "", info = "" } = {}, index } of page.matchAll(FENCED)) {
    const line = page.slice(0, index).split("\n").length;
    const last = examples.at(-1);
    const [language = "", ...words] = info.split(" ");
    const flag = words.join(" ");
    if (info === "text heard") {
      heard = code.split("\n");
    } else if (info === "text" && last !== undefined && last.prints === undefined) {
      examples.splice(-1, 1, { ...last, prints: code });
    } else if (isLanguage(language) && (flag === "" || flag === "keeps running")) {
      const file = /^(?:\/\/|#|<!--) (\S+\.\w+)(?: -->)?\n/.exec(code)?.[1];
      if (file === undefined && language !== "sh") throw new Error(`line ${line}: the block does not name its file`);
      examples.push({ line, language, keepsRunning: flag !== "", code, file, prints: undefined });
    } else {
      throw new Error(`line ${line}: nobody knows what to do with a block \`${info}\``);
    }
  }
  return { examples, heard };
}

/** Converts the expected output of an example to a pattern. */
export function patternOf(prints: string): string {
  const lines = prints.split("\n").map((line) => {
    if (line === "…") return String.raw`[\s\S]*`;
    return line
      .split("…")
      .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`))
      .join(".+");
  });
  return lines.join("\n");
}

function isLanguage(text: string): text is Example["language"] {
  return ["sh", "js", "yaml", "html", "tsx"].includes(text);
}
