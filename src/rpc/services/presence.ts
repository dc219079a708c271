import { setImmediate } from "node:timers/promises";
import type {
  GetPresenceRequest,
  PresenceService,
  WatchPresenceRequest,
} from "../../../gen/carillon/v1/presence_pb.js";
import type { BackendAction } from "../../access/decide/actions.js";
import type { Backend } from "../../access/keys/backend.js";
import { checkTopic } from "../../control/checks.js";
import { mergePages, readPageQuery } from "../../control/pagination.js";
import type { BrokerDirectory } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Presence, TopicAddress } from "../../presence/presence.js";
import { nodeStopping, toAbortError } from "../call-errors.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import {
  MAX_MEMBERS,
  memberPageId,
  pageMembers,
  toChangeMessages,
  toMemberMessage,
  toPresentMessages,
} from "./presence-messages.js";
import { PresenceWatch } from "./presence-watch.js";

/** Action that each method needs. */
export const PRESENCE_ACTIONS: Readonly<Record<keyof typeof PresenceService.method, BackendAction>> = {
  getPresence: "presence",
  watchPresence: "presence",
};

export interface PresenceOptions {
  readonly presence: Presence;
  readonly brokers: BrokerDirectory;
  /** Whether the rules of a topic give it presence. */
  readonly hasPresence: (vhost: string, topic: string) => boolean;
}

/** Implements carillon.v1.PresenceService. */
export class PresenceImplementation implements ImplementationOf<typeof PresenceService> {
  readonly #options: PresenceOptions;
  readonly #watches = new Set<PresenceWatch>();
  #stopped = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  async getPresence(request: GetPresenceRequest, { backend }: Pick<RpcCall, "backend">) {
    const { presence } = this.#options;
    const { after, size } = readPageQuery(request.pageSize, request.pageToken, MAX_MEMBERS);
    const address = this.#findTopic(backend, request);
    const members = presence.members(address);
    // Sorting many members takes as long as encoding an answer (rule O12).
    if (members.length > MAX_MEMBERS) await setImmediate();
    const page = pageMembers(members, after, size);
    const { items, nextPageToken } = mergePages([page], memberPageId, size, (one) => one);
    return {
      members: items.map(toMemberMessage),
      nextPageToken,
      count: BigInt(presence.count(address)),
      users: BigInt(presence.users(address)),
    };
  }

  async *watchPresence(request: WatchPresenceRequest, { backend, signal }: RpcCall) {
    const { presence } = this.#options;
    const address = this.#findTopic(backend, request);
    if (this.#stopped) throw nodeStopping();
    const watch = new PresenceWatch();
    this.#watches.add(watch);
    const unwatch = presence.watch(address, (change) => {
      watch.push(change);
    });
    // In the same turn as the watch, so that no change is missed or repeated.
    const members = presence.members(address);
    // A disconnected caller may never read the next answer, so the watch is removed at once.
    const stop = (): void => {
      signal.removeEventListener("abort", onAbort);
      unwatch();
      this.#watches.delete(watch);
    };
    const onAbort = (): void => {
      watch.end(toAbortError(signal));
      stop();
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      yield* inTurns(toPresentMessages(members));
      for (;;) yield* inTurns(toChangeMessages(await watch.next()));
    } finally {
      stop();
    }
  }

  /** Ends all watches. */
  stop(): void {
    this.#stopped = true;
    for (const watch of this.#watches) watch.end(nodeStopping());
  }

  /** @throws CarillonError invalid_argument, permission_denied, not_found, failed_precondition */
  #findTopic(backend: Backend, { broker, topic }: Pick<TopicAddress, "broker" | "topic">): TopicAddress {
    const { brokers, hasPresence } = this.#options;
    const { vhost } = backend;
    checkTopic(backend, "topic", topic);
    const { name } = brokers.resolve(vhost, broker);
    if (hasPresence(vhost, topic)) return { vhost, broker: name, topic };
    throw new CarillonError("failed_precondition", `topic: ${JSON.stringify(topic)} has no presence by its rule`);
  }
}

/** Yields one answer per turn of the event loop, because encoding a full one takes up to 20 ms (rule O12). */
async function* inTurns<Answer>(answers: Iterable<Answer>): AsyncGenerator<Answer> {
  for (const answer of answers) {
    yield answer;
    await setImmediate();
  }
}
