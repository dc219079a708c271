import { readFileSync } from "node:fs";
import { type Document, isNode, LineCounter, parseDocument, type YAMLParseError } from "yaml";
import { CarillonError } from "../errors.js";
import { isObject } from "../util/json.js";

/** Content of a configuration file. */
export interface YamlFile {
  readonly content: Readonly<Record<string, unknown>>;
  /** Whether the file holds nothing, or only comments. `{}` counts as something. */
  readonly isEmpty: boolean;
  /** Returns the line of a setting's value, from 1 on; undefined if the file does not have the setting. */
  lineOf(path: readonly string[]): number | undefined;
}

/** Reads a configuration file. @throws CarillonError invalid_argument: an unreadable file, or invalid YAML */
export function readYamlFile(file: string): YamlFile {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new CarillonError("invalid_argument", `cannot read ${file}: ${String(cause)}`, { cause });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: true, lineCounter: lines });
  const [problem] = document.errors;
  if (problem !== undefined) throw new CarillonError("invalid_argument", `${file}: ${yamlProblem(problem)}`);
  const parsed = parseContent(document, file);
  const content = parsed ?? {};
  if (!isObject(content)) throw new CarillonError("invalid_argument", `${file}: expected keys and values`);
  return {
    content,
    isEmpty: parsed === null,
    lineOf: (path) => {
      const node = document.getIn(path, true);
      const [start] = (isNode(node) ? node.range : undefined) ?? [];
      return start === undefined ? undefined : lines.linePos(start).line;
    },
  };
}

/** Describes a YAML error and its position. Omits the library's excerpt of the file, which may contain a secret. */
function yamlProblem({ linePos, message }: YAMLParseError): string {
  const [words] = message.split(/: | at line \d/, 1);
  const [start] = linePos ?? [];
  return start === undefined ? `${words}` : `${words} at line ${start.line}, column ${start.col}`;
}

function parseContent(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS();
  } catch {
    // The library's message names the alias, which may be an unquoted secret that begins with *.
    throw new CarillonError("invalid_argument", `${file}: values that begin with * must be quoted`);
  }
}
