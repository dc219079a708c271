import { randomInt } from "node:crypto";
import type { Match } from "../../access/patterns/match-ahead.js";
import { MatcherList } from "../../access/patterns/matcher-list.js";
import { compilePattern, isExact } from "../../access/patterns/pattern.js";
import { PrefixIndex } from "../../access/patterns/prefix-index.js";
import { LruMap } from "../../util/lru-map.js";
import { bySpecificity } from "./specificity.js";

/** A pattern of a vhost's workers; `triggers` marks workers that cannot answer. */
export type WorkerPattern =
  | readonly [vhost: string, pattern: string]
  | readonly [vhost: string, pattern: string, kind: "triggers"];

/** A pattern that matches a task, and the nodes with suitable workers of the pattern. */
export interface DirectoryEntry {
  readonly pattern: string;
  readonly nodes: ReadonlySet<string>;
  /** Whether all of these nodes listen as one group on the bus. Only nodes with workers that answer do. */
  readonly grouped: boolean;
  /**
   * Advances the rotation and returns the nodes, the next one first. A node with workers of both kinds is listed twice,
   * because the number of workers of each kind is not known.
   */
  rotate(): readonly string[];
}

interface OwnEntry {
  readonly pattern: string;
  readonly matchers: MatcherList;
  /** Text that every matching event begins with. */
  readonly prefix: string;
  /** Nodes with workers that answer. */
  readonly answering: Set<string>;
  /** Nodes with workers that get triggers only. */
  readonly triggered: Set<string>;
  /** Number of rotations so far. */
  rotations: number;
}

interface VhostEntries {
  readonly all: Map<string, OwnEntry>;
  /** Entries with wildcards or expressions instead of plain names, the most specific first. */
  readonly patterns: OwnEntry[];
  /** Selects from `patterns`, until an entry changes. */
  index: PrefixIndex;
  /** Cached results by event, for calls and for triggers, until an entry changes. */
  readonly found: { readonly calls: Found; readonly triggers: Found };
}

type Found = LruMap<string, readonly DirectoryEntry[]>;

/** Bound of the random start of rotations, so that nodes with the same directory do not all begin with the same node. */
const MAX_FIRST_ROTATION = 1_000;

/** Maximum number of cached events of a vhost. */
const MAX_FOUND = 1_000;

/** Finds the nodes that have workers for an event. */
export class WorkerDirectory {
  readonly #vhosts = new Map<string, VhostEntries>();

  /** @throws CarillonError invalid_argument for an invalid pattern */
  add(node: string, workerPattern: WorkerPattern): void {
    const [vhost, pattern] = workerPattern;
    const entries = this.#vhosts.get(vhost) ?? createEntries();
    let entry = entries.all.get(pattern);
    if (entry === undefined) {
      const matcher = compilePattern(pattern);
      entry = {
        pattern,
        prefix: matcher.prefix,
        answering: new Set(),
        triggered: new Set(),
        rotations: randomInt(MAX_FIRST_ROTATION),
        matchers: new MatcherList([matcher]),
      };
      entries.all.set(pattern, entry);
      if (!isExact(pattern)) insert(entries.patterns, entry);
    }
    nodesOf(entry, workerPattern).add(node);
    forgetResults(entries);
    this.#vhosts.set(vhost, entries);
  }

  remove(node: string, workerPattern: WorkerPattern): void {
    const [vhost, pattern] = workerPattern;
    const entries = this.#vhosts.get(vhost);
    const entry = entries?.all.get(pattern);
    if (entries === undefined || entry === undefined) return;
    nodesOf(entry, workerPattern).delete(node);
    if (entry.answering.size + entry.triggered.size === 0) {
      entries.all.delete(pattern);
      const position = entries.patterns.indexOf(entry);
      if (position >= 0) entries.patterns.splice(position, 1);
      if (entries.all.size === 0) this.#vhosts.delete(vhost);
    }
    forgetResults(entries);
  }

  /** Lists the matches that {@link find} would perform for an event; none when the result is cached. */
  *matchesOf(vhost: string, event: string, wantsAnswer: boolean): Generator<Match> {
    const entries = this.#vhosts.get(vhost);
    if (entries === undefined || cacheFor(entries, wantsAnswer).get(event) !== undefined) return;
    for (const { matchers } of selectEntries(entries, event)) yield { list: matchers, name: event };
  }

  /** Finds the matching patterns with workers for a call or trigger, the most specific first. */
  find(vhost: string, event: string, wantsAnswer: boolean): readonly DirectoryEntry[] {
    const entries = this.#vhosts.get(vhost);
    if (entries === undefined) return [];
    const known = cacheFor(entries, wantsAnswer);
    let found = known.get(event);
    if (found === undefined) {
      const named = entries.all.get(event);
      const matching = selectEntries(entries, event).filter(({ matchers }) => matchers.find(event) === 0);
      const all = named !== undefined && isExact(event) ? [named, ...matching] : matching;
      found = all.map((entry) => describeEntry(entry, wantsAnswer)).filter(({ nodes }) => nodes.size > 0);
      known.set(event, found);
    }
    return found;
  }
}

function describeEntry(entry: OwnEntry, wantsAnswer: boolean): DirectoryEntry {
  const { answering, pattern, triggered } = entry;
  const all = wantsAnswer ? [...answering] : [...answering, ...triggered];
  const grouped = wantsAnswer || triggered.size === 0;
  const rotate = (): readonly string[] => {
    entry.rotations += 1;
    const first = entry.rotations % all.length;
    return [...all.slice(first), ...all.slice(0, first)];
  };
  return { pattern, nodes: grouped ? answering : new Set(all), grouped, rotate };
}

function nodesOf({ answering, triggered }: OwnEntry, [, , kind]: WorkerPattern): Set<string> {
  return kind === "triggers" ? triggered : answering;
}

function cacheFor({ found }: VhostEntries, wantsAnswer: boolean): Found {
  return wantsAnswer ? found.calls : found.triggers;
}

function createEntries(): VhostEntries {
  const found = {
    calls: new LruMap<string, DirectoryEntry[]>(MAX_FOUND),
    triggers: new LruMap<string, DirectoryEntry[]>(MAX_FOUND),
  };
  return { all: new Map(), patterns: [], index: new PrefixIndex([]), found };
}

function forgetResults(entries: VhostEntries): void {
  entries.index = new PrefixIndex(entries.patterns);
  entries.found.calls.clear();
  entries.found.triggers.clear();
}

/** Selects the entries that may match an event, the most specific first. */
function selectEntries({ index, patterns }: VhostEntries, event: string): OwnEntry[] {
  return index.select(event).flatMap((position) => patterns[position] ?? []);
}

function insert(patterns: OwnEntry[], entry: OwnEntry): void {
  const position = patterns.findIndex(({ pattern }) => bySpecificity(entry.pattern, pattern) < 0);
  patterns.splice(position < 0 ? patterns.length : position, 0, entry);
}

export function workerPatternKey(workerPattern: WorkerPattern): string {
  return workerPattern.join(" ");
}
