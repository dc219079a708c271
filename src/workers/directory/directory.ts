import { randomInt } from "node:crypto";
import type { Match } from "../../access/patterns/match-ahead.js";
import { MatcherList } from "../../access/patterns/matcher-list.js";
import { compilePattern, isExact } from "../../access/patterns/pattern.js";
import { LruMap } from "../../util/lru-map.js";
import { bySpecificity } from "./specificity.js";

/** A pattern that workers of a vhost have; `triggers`: workers that cannot answer. */
export type WorkerPlace =
  | readonly [vhost: string, pattern: string]
  | readonly [vhost: string, pattern: string, kind: "triggers"];

/** The nodes that have workers of a pattern which may get a task. */
export interface DirectoryEntry {
  readonly pattern: string;
  readonly nodes: ReadonlySet<string>;
  /** Whether the bus knows all of these nodes as one: only those with workers that answer listen together. */
  readonly grouped: boolean;
  /**
   * Advances the rotation and returns the nodes, the next one first. A node with workers of both kinds is listed twice: the
   * number of workers of each kind is not known.
   */
  rotate(): readonly string[];
}

interface OwnEntry {
  readonly pattern: string;
  readonly matchers: MatcherList;
  /** Nodes with workers that answer. */
  readonly answering: Set<string>;
  /** Nodes with workers that get triggers only. */
  readonly triggered: Set<string>;
  /** Turns that were had. */
  turns: number;
}

interface VhostEntries {
  readonly all: Map<string, OwnEntry>;
  /** Those that are no names, the most specific first. */
  readonly patterns: OwnEntry[];
  /** What was found for an event, until something changes: for tasks that want an answer, and for triggers. */
  readonly found: { readonly calls: Found; readonly triggers: Found };
}

type Found = LruMap<string, readonly DirectoryEntry[]>;

/** Turns begin anywhere below it, so that nodes that know the same workers do not all begin with the same one. */
const MANY = 1_000;

/** Events of a vhost of which it is remembered what was found. */
const MAX_FOUND = 1_000;

/** Which nodes have workers for which events. */
export class WorkerDirectory {
  readonly #vhosts = new Map<string, VhostEntries>();

  /** @throws CarillonError invalid_argument for a pattern that cannot be read */
  add(node: string, place: WorkerPlace): void {
    const [vhost, pattern] = place;
    const entries = this.#vhosts.get(vhost) ?? { all: new Map(), patterns: [], found: nothingFound() };
    let entry = entries.all.get(pattern);
    if (entry === undefined) {
      const turns = randomInt(MANY);
      entry = {
        pattern,
        answering: new Set(),
        triggered: new Set(),
        turns,
        matchers: new MatcherList([compilePattern(pattern)]),
      };
      entries.all.set(pattern, entry);
      if (!isExact(pattern)) insert(entries.patterns, entry);
    }
    nodesOf(entry, place).add(node);
    forgetFound(entries);
    this.#vhosts.set(vhost, entries);
  }

  remove(node: string, place: WorkerPlace): void {
    const [vhost, pattern] = place;
    const entries = this.#vhosts.get(vhost);
    const entry = entries?.all.get(pattern);
    if (entries === undefined || entry === undefined) return;
    nodesOf(entry, place).delete(node);
    forgetFound(entries);
    if (entry.answering.size + entry.triggered.size > 0) return;
    entries.all.delete(pattern);
    const position = entries.patterns.indexOf(entry);
    if (position >= 0) entries.patterns.splice(position, 1);
    if (entries.all.size === 0) this.#vhosts.delete(vhost);
  }

  /** Patterns of a vhost that {@link find} would match with the event; none where the answer is remembered. */
  *matchesOf(vhost: string, event: string, wantsAnswer: boolean): Generator<Match> {
    const entries = this.#vhosts.get(vhost);
    if (entries === undefined || foundOf(entries, wantsAnswer).get(event) !== undefined) return;
    for (const { matchers } of entries.patterns) yield { list: matchers, name: event };
  }

  /** The patterns that match and have workers for a task of the kind, the most specific first. */
  find(vhost: string, event: string, wantsAnswer: boolean): readonly DirectoryEntry[] {
    const entries = this.#vhosts.get(vhost);
    if (entries === undefined) return [];
    const known = foundOf(entries, wantsAnswer);
    let found = known.get(event);
    if (found === undefined) {
      const named = entries.all.get(event);
      const matching = entries.patterns.filter(({ matchers }) => matchers.find(event) === 0);
      const all = named !== undefined && isExact(event) ? [named, ...matching] : matching;
      found = all.map((entry) => entryOf(entry, wantsAnswer)).filter(({ nodes }) => nodes.size > 0);
      known.set(event, found);
    }
    return found;
  }
}

function entryOf(entry: OwnEntry, wantsAnswer: boolean): DirectoryEntry {
  const { answering, pattern, triggered } = entry;
  const all = wantsAnswer ? [...answering] : [...answering, ...triggered];
  const grouped = wantsAnswer || triggered.size === 0;
  const rotate = (): readonly string[] => {
    entry.turns += 1;
    const first = entry.turns % all.length;
    return [...all.slice(first), ...all.slice(0, first)];
  };
  return { pattern, nodes: grouped ? answering : new Set(all), grouped, rotate };
}

function nodesOf({ answering, triggered }: OwnEntry, [, , kind]: WorkerPlace): Set<string> {
  return kind === "triggers" ? triggered : answering;
}

function foundOf({ found }: VhostEntries, wantsAnswer: boolean): Found {
  return wantsAnswer ? found.calls : found.triggers;
}

function nothingFound(): VhostEntries["found"] {
  return { calls: new LruMap(MAX_FOUND), triggers: new LruMap(MAX_FOUND) };
}

function forgetFound({ found }: VhostEntries): void {
  found.calls.clear();
  found.triggers.clear();
}

function insert(patterns: OwnEntry[], entry: OwnEntry): void {
  const position = patterns.findIndex(({ pattern }) => bySpecificity(entry.pattern, pattern) < 0);
  patterns.splice(position < 0 ? patterns.length : position, 0, entry);
}

export function placeKey(place: WorkerPlace): string {
  return place.join(" ");
}
