import type { Backend } from "../access/keys/backend.js";
import { runInTurns } from "../access/patterns/match-ahead.js";
import { matchSteps } from "../access/patterns/match-steps.js";
import { PatternSet } from "../access/patterns/pattern-set.js";
import type { Cluster } from "../cluster/cluster.js";
import type { TopicIndex } from "../core/topic-index.js";
import { checkLength } from "./checks.js";
import { type PartialAnswer, sum } from "./connections.js";
import { mergedPage, type NodePage, type Page, type PageQuery, pageInParts, pageQuery } from "./pagination.js";

export interface TopicsOptions {
  readonly cluster: Cluster;
  readonly index: TopicIndex;
}

export type TopicSize = { readonly broker: string; readonly name: string; readonly sessions: number };

export interface ListTopics {
  /** "": all. */
  readonly prefix: string;
  readonly pageSize: number;
  readonly pageToken: string;
}

type ListBody = {
  readonly vhost: string;
  readonly prefix: string;
  /** Patterns; none: all. */
  readonly patterns: readonly string[];
  readonly page: PageQuery;
};

type SizeBody = { readonly vhost: string; readonly name: string };

const LIST = "topics.list";
const SIZE = "topics.size";

/** Topics of a vhost that somebody is in, on any node. */
export class Topics {
  readonly #cluster: Cluster;
  readonly #index: TopicIndex;

  constructor({ cluster, index }: TopicsOptions) {
    this.#cluster = cluster;
    this.#index = index;
    cluster.handle(LIST, (body) => this.#listHere(body as unknown as ListBody));
    cluster.handle(SIZE, (body) => this.#sizeHere(body as unknown as SizeBody));
  }

  /** A backend whose key is for some topics is shown those. */
  async list(backend: Backend, { pageSize, pageToken, prefix }: ListTopics): Promise<PartialAnswer<Page<TopicSize>>> {
    checkLength("prefix", prefix);
    const page = pageQuery(pageSize, pageToken);
    const { answers, missing } = await this.#cluster.ask(LIST, {
      vhost: backend.vhost,
      prefix,
      patterns: backend.topics,
      page,
    });
    const parts = [...answers.values()] as unknown as NodePage<TopicSize>[];
    return { told: mergedPage(parts, keyOf, page.size, added), missing };
  }

  /** Sessions that are in a topic of this name, of any broker and on all nodes that answer. */
  async size(vhost: string, name: string): Promise<PartialAnswer<number>> {
    const { answers, missing } = await this.#cluster.ask(SIZE, { vhost, name });
    return { told: sum(answers.values() as Iterable<number>), missing };
  }

  #sizeHere({ name, vhost }: SizeBody): number {
    let sessions = 0;
    for (const topic of this.#index.named(vhost, name)) sessions += topic.sessions;
    return sessions;
  }

  #listHere({ page, patterns, prefix, vhost }: ListBody): Promise<NodePage<TopicSize>> {
    const shown = patterns.length === 0 ? undefined : new PatternSet(patterns);
    return runInTurns(vhost, this.#page(vhost, prefix, shown, page));
  }

  /** Those before the page cost nothing: only names that may be in it are held against patterns. */
  *#page(vhost: string, prefix: string, shown: PatternSet | undefined, page: PageQuery) {
    const sizes: TopicSize[] = [];
    for (const { broker, name, sessions } of this.#index.of(vhost)) {
      const isAsked = sessions > 0 && name.startsWith(prefix) && keyOf({ broker, name }) > page.after;
      const isShown = isAsked && (shown === undefined || shown.find(name) !== undefined);
      if (isShown) sizes.push({ broker, name, sessions });
      yield 10 + (isAsked && shown !== undefined ? matchSteps(shown.matchers.weight, name) : 0);
    }
    return yield* pageInParts(sizes, { keyOf, itemOf: (size) => size }, page);
  }
}

/** By name, then by broker: a line feed comes before all that a name may hold. */
function keyOf({ broker, name }: Omit<TopicSize, "sessions">): string {
  return `${name}\n${broker}`;
}

function added(a: TopicSize, b: TopicSize): TopicSize {
  return { ...a, sessions: a.sessions + b.sessions };
}
