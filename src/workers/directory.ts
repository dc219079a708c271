import { compilePattern, isExact, type Matcher } from "../access/pattern.js";
import { RecentMap } from "../access/recent-map.js";
import { bySpecificity } from "./specificity.js";

/** A pattern that workers of a vhost have. */
export type Place = readonly [vhost: string, pattern: string];

/** The nodes that have workers of a pattern. */
export interface Entry {
  readonly pattern: string;
  readonly nodes: ReadonlySet<string>;
}

interface OwnEntry extends Entry {
  readonly nodes: Set<string>;
  readonly matches: Matcher;
}

interface VhostEntries {
  readonly all: Map<string, OwnEntry>;
  /** Those that are no names, the most specific first. */
  readonly patterns: OwnEntry[];
  /** What was found for an event, until something changes. */
  readonly found: RecentMap<string, readonly Entry[]>;
}

/** Events of a vhost of which it is remembered what was found. */
const MAX_FOUND = 1_000;

/** Which nodes have workers for which events. */
export class Directory {
  readonly #vhosts = new Map<string, VhostEntries>();
  /** By node; places as {@link keyOf} writes them. */
  readonly #nodes = new Map<string, Map<string, Place>>();

  /** What a node has: for whoever asks it. */
  placesOf(node: string): readonly Place[] {
    return [...(this.#nodes.get(node)?.values() ?? [])];
  }

  /** @throws CarillonError invalid_argument for a pattern that cannot be read */
  add(node: string, place: Place): void {
    const [vhost, pattern] = place;
    const entries = this.#vhosts.get(vhost) ?? { all: new Map(), patterns: [], found: new RecentMap(MAX_FOUND) };
    let entry = entries.all.get(pattern);
    if (entry === undefined) {
      entry = { pattern, nodes: new Set(), matches: compilePattern(pattern) };
      entries.all.set(pattern, entry);
      if (!isExact(pattern)) insert(entries.patterns, entry);
    }
    entry.nodes.add(node);
    entries.found.clear();
    this.#vhosts.set(vhost, entries);
    const places = this.#nodes.get(node) ?? new Map<string, Place>();
    places.set(keyOf(place), place);
    this.#nodes.set(node, places);
  }

  remove(node: string, place: Place): void {
    const places = this.#nodes.get(node);
    if (places?.delete(keyOf(place)) !== true) return;
    if (places.size === 0) this.#nodes.delete(node);
    const [vhost, pattern] = place;
    const entries = this.#vhosts.get(vhost);
    const entry = entries?.all.get(pattern);
    if (entries === undefined || entry === undefined) return;
    entry.nodes.delete(node);
    entries.found.clear();
    if (entry.nodes.size > 0) return;
    entries.all.delete(pattern);
    const position = entries.patterns.indexOf(entry);
    if (position >= 0) entries.patterns.splice(position, 1);
    if (entries.all.size === 0) this.#vhosts.delete(vhost);
  }

  /** A node is gone, and its workers with it. */
  forget(node: string): void {
    for (const place of this.placesOf(node)) this.remove(node, place);
  }

  /** The patterns that match, the most specific first. */
  find(vhost: string, event: string): readonly Entry[] {
    const entries = this.#vhosts.get(vhost);
    if (entries === undefined) return [];
    let found = entries.found.get(event);
    if (found === undefined) {
      const named = entries.all.get(event);
      const matching = entries.patterns.filter(({ matches }) => matches(event));
      found = named !== undefined && isExact(event) ? [named, ...matching] : matching;
      entries.found.set(event, found);
    }
    return found;
  }
}

function insert(patterns: OwnEntry[], entry: OwnEntry): void {
  const position = patterns.findIndex(({ pattern }) => bySpecificity(entry.pattern, pattern) < 0);
  patterns.splice(position < 0 ? patterns.length : position, 0, entry);
}

function keyOf([vhost, pattern]: Place): string {
  return `${vhost} ${pattern}`;
}
