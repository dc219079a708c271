import { setImmediate } from "node:timers/promises";
import type {
  GetPresenceRequest,
  PresenceService,
  WatchPresenceRequest,
} from "../../../gen/carillon/v1/presence_pb.js";
import type { BackendAction } from "../../access/decide/actions.js";
import type { Backend } from "../../access/keys/backend.js";
import { checkTopic } from "../../control/checks.js";
import { mergedPage, pageQuery } from "../../control/pagination.js";
import type { BrokerDirectory } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { Presence, TopicAddress } from "../../presence/presence.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import {
  MAX_MEMBERS,
  memberPageId,
  membersAfter,
  presentMembers,
  toChangesMessage,
  toMemberMessage,
} from "./presence-messages.js";
import { PresenceWatch } from "./presence-watch.js";

/** What each method needs. */
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

/** carillon.v1.PresenceService. */
export class PresenceImplementation implements ImplementationOf<typeof PresenceService> {
  readonly #options: PresenceOptions;
  readonly #watches = new Set<PresenceWatch>();
  #stopped = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  async getPresence(request: GetPresenceRequest, { backend }: Pick<RpcCall, "backend">) {
    const { presence } = this.#options;
    const { after, size } = pageQuery(request.pageSize, request.pageToken, MAX_MEMBERS);
    const place = this.#placeOf(backend, request);
    const members = presence.members(place);
    // Ordering many takes as long as writing an answer (rule O12).
    if (members.length > MAX_MEMBERS) await setImmediate();
    const part = membersAfter(members, after, size);
    const { items, nextPageToken } = mergedPage([part], memberPageId, size, (one) => one);
    return {
      members: items.map(toMemberMessage),
      nextPageToken,
      count: BigInt(presence.count(place)),
      users: BigInt(presence.users(place)),
    };
  }

  async *watchPresence(request: WatchPresenceRequest, { backend, signal }: RpcCall) {
    const { presence } = this.#options;
    const place = this.#placeOf(backend, request);
    if (this.#stopped) throw stopping();
    const watch = new PresenceWatch();
    this.#watches.add(watch);
    const unwatch = presence.watch(place, (change) => {
      watch.push(change);
    });
    // In the same turn: nothing is missed between, and nothing told twice.
    const there = presence.members(place);
    // Whoever is gone may never ask for the next: nothing is kept for it when it is known to be gone.
    const letGo = (): void => {
      signal.removeEventListener("abort", onAbort);
      unwatch();
      this.#watches.delete(watch);
    };
    const onAbort = (): void => {
      watch.end(signal.reason instanceof CarillonError ? signal.reason : gone());
      letGo();
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      yield* inTurns(presentMembers(there));
      for (;;) yield* inTurns(toChangesMessage(await watch.next()));
    } finally {
      letGo();
    }
  }

  /** Ends the watches. */
  stop(): void {
    this.#stopped = true;
    for (const watch of this.#watches) watch.end(stopping());
  }

  /** @throws CarillonError invalid_argument, permission_denied, not_found, failed_precondition */
  #placeOf(backend: Backend, { broker, topic }: Pick<TopicAddress, "broker" | "topic">): TopicAddress {
    const { brokers, hasPresence } = this.#options;
    const { vhost } = backend;
    checkTopic(backend, "topic", topic);
    const { name } = brokers.resolve(vhost, broker);
    if (hasPresence(vhost, topic)) return { vhost, broker: name, topic };
    throw new CarillonError("failed_precondition", `topic: ${JSON.stringify(topic)} has no presence: its rule says so`);
  }
}

/** One answer in each turn of the event loop: writing a full one takes up to 20 ms (rule O12). */
async function* inTurns<Answer>(answers: Iterable<Answer>): AsyncGenerator<Answer> {
  for (const answer of answers) {
    yield answer;
    await setImmediate();
  }
}

function stopping(): CarillonError {
  return new CarillonError("unavailable", "this node is stopping");
}

function gone(): CarillonError {
  return new CarillonError("cancelled", "the caller is gone");
}
