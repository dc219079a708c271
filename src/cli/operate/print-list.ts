import { note } from "../terminal/note.js";
import { printJson } from "../terminal/print.js";
import { formatTable } from "../terminal/table.js";

/** Flags of commands that print a list. */
export interface ListFlags {
  /** Maximum number of entries. */
  readonly limit: number;
  readonly json?: true;
}

/** Part of a list, as the control service answers it. */
export interface ListPage<Entry> {
  readonly entries: readonly Entry[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
  readonly missingNodes?: readonly string[];
}

export interface ListFormat<Entry> {
  /** Names the entries, for the note that there are none: "topics". Without it there is no such note. */
  readonly what?: string;
  /** Titles of the columns. */
  readonly head: readonly string[];
  /** Returns the cells of an entry, one for each column. */
  readonly toRow: (entry: Entry) => readonly string[];
  /** Returns the value that `--json` prints. */
  readonly toJson: (entry: Entry) => unknown;
}

/** Maximum number of entries of a page. Source: ControlService. */
const PAGE_SIZE = 1_000;

/**
 * Prints the entries of a list: a table for people, or with `--json` one value in each line. Notes on stderr say whether there are
 * none or more, and which nodes did not answer.
 * @throws CarillonError the node's refusal
 */
export async function printList<Entry>(
  { json, limit }: ListFlags,
  format: ListFormat<Entry>,
  readPage: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<ListPage<Entry>>,
): Promise<void> {
  const entries: Entry[] = [];
  const missing = new Set<string>();
  let pageToken = "";
  do {
    const page = await readPage({ pageSize: Math.min(PAGE_SIZE, limit - entries.length), pageToken });
    entries.push(...page.entries);
    for (const node of page.missingNodes ?? []) missing.add(node);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && entries.length < limit);
  if (json === true) for (const entry of entries) printJson(format.toJson(entry));
  else if (entries.length > 0) process.stdout.write(formatTable(format.head, entries.map(format.toRow)));
  if (entries.length === 0 && json !== true && format.what !== undefined) note(`no ${format.what}`);
  noteMissing([...missing]);
  if (pageToken !== "") note(`there are more: --limit ${limit * 10}`);
}

/** Says on stderr that the answers of some nodes are missing. */
export function noteMissing(nodes: readonly string[]): void {
  if (nodes.length > 0) note(`incomplete, because nodes did not answer: ${nodes.join(", ")}`);
}
