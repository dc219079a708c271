import type { Backend } from "../access/keys/backend.js";
import { runInTurns } from "../access/patterns/match-ahead.js";
import { matchSteps } from "../access/patterns/match-steps.js";
import { PatternSet } from "../access/patterns/pattern-set.js";
import type { Cluster } from "../cluster/cluster.js";
import type { TopicIndex } from "../core/topic-index.js";
import { checkLength } from "./checks.js";
import { type PartialAnswer, sum } from "./connections.js";
import { mergePages, type NodePage, type Page, type PageQuery, pageInSteps, readPageQuery } from "./pagination.js";

export interface TopicsOptions {
  readonly cluster: Cluster;
  readonly index: TopicIndex;
}

export type TopicSize = {
  readonly broker: string;
  readonly name: string;
  readonly sessions: number;
  /** Messages that have arrived at the node that has had the topic for the most of them. */
  readonly messages: number;
};

export interface ListTopics {
  /** "" for all. */
  readonly prefix: string;
  readonly pageSize: number;
  readonly pageToken: string;
}

type ListBody = {
  readonly vhost: string;
  readonly prefix: string;
  /** Patterns of the names to list; empty for all names. */
  readonly patterns: readonly string[];
  readonly page: PageQuery;
};

type SizeBody = { readonly vhost: string; readonly name: string };

const LIST = "topics.list";
const SIZE = "topics.size";

/** Lists the topics of a vhost that have sessions on any node. */
export class Topics {
  readonly #cluster: Cluster;
  readonly #index: TopicIndex;

  constructor({ cluster, index }: TopicsOptions) {
    this.#cluster = cluster;
    this.#index = index;
    cluster.handle(LIST, (body) => this.#listHere(body as unknown as ListBody));
    cluster.handle(SIZE, (body) => this.#sizeHere(body as unknown as SizeBody));
  }

  /** Lists topics. A backend whose key is restricted to some topics sees only those. */
  async list(backend: Backend, { pageSize, pageToken, prefix }: ListTopics): Promise<PartialAnswer<Page<TopicSize>>> {
    checkLength("prefix", prefix);
    const page = readPageQuery(pageSize, pageToken);
    const { answers, missing: missingNodes } = await this.#cluster.ask(LIST, {
      vhost: backend.vhost,
      prefix,
      patterns: backend.topics,
      page,
    });
    const parts = [...answers.values()] as unknown as NodePage<TopicSize>[];
    return { value: mergePages(parts, keyOf, page.size, addSizes), missingNodes };
  }

  /** Counts the sessions in topics of this name, on all brokers and all nodes that answer. */
  async size(vhost: string, name: string): Promise<PartialAnswer<number>> {
    const { answers, missing: missingNodes } = await this.#cluster.ask(SIZE, { vhost, name });
    return { value: sum(answers.values() as Iterable<number>), missingNodes };
  }

  #sizeHere({ name, vhost }: SizeBody): number {
    let sessions = 0;
    for (const topic of this.#index.named(vhost, name)) sessions += topic.sessions;
    return sessions;
  }

  #listHere({ page, patterns, prefix, vhost }: ListBody): Promise<NodePage<TopicSize>> {
    const visible = patterns.length === 0 ? undefined : new PatternSet(patterns);
    return runInTurns(vhost, this.#page(vhost, prefix, visible, page));
  }

  /** Builds a page. Only names that may be in it are matched against patterns, so those of earlier pages cost little. */
  *#page(vhost: string, prefix: string, visible: PatternSet | undefined, page: PageQuery) {
    const sizes: TopicSize[] = [];
    for (const { broker, messages, name, sessions } of this.#index.of(vhost)) {
      const isCandidate = sessions > 0 && name.startsWith(prefix) && keyOf({ broker, name }) > page.after;
      const isVisible = isCandidate && (visible === undefined || visible.find(name) !== undefined);
      if (isVisible) sizes.push({ broker, name, sessions, messages });
      yield 10 + (isCandidate && visible !== undefined ? matchSteps(visible.matchers.weight, name) : 0);
    }
    return yield* pageInSteps(sizes, { keyOf, itemOf: (size) => size }, page);
  }
}

/** Returns a key that sorts by name, then by broker: a line feed sorts before every character of a name. */
function keyOf({ broker, name }: Pick<TopicSize, "broker" | "name">): string {
  return `${name}\n${broker}`;
}

function addSizes(a: TopicSize, b: TopicSize): TopicSize {
  return { ...a, sessions: a.sessions + b.sessions, messages: Math.max(a.messages, b.messages) };
}
