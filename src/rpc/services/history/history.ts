import type {
  HistoryService,
  PurgeHistoryRequest,
  ReadHistoryRequest,
} from "../../../../gen/carillon/v1/history_pb.js";
import type { BackendAction } from "../../../access/decide/actions.js";
import type { Backend } from "../../../access/keys/backend.js";
import { checkTopic } from "../../../control/checks.js";
import type { HistoryClass, HistoryStore, StoredTopic } from "../../../core/history.js";
import type { BrokerDirectory } from "../../../core/ports.js";
import { CarillonError } from "../../../errors.js";
import type { ImplementationOf, RpcCall } from "../../service.js";
import { readHistoryRequest, toPageMessage } from "./history-messages.js";

/** Action that each method needs. */
export const HISTORY_ACTIONS: Readonly<Record<keyof typeof HistoryService.method, BackendAction>> = {
  readHistory: "history",
  purgeHistory: "history",
};

export interface HistoryImplementationOptions {
  readonly brokers: BrokerDirectory;
  /** Returns the class of a topic's history; undefined for a topic without history. */
  readonly historyOf: (vhost: string, topic: string) => HistoryClass | undefined;
}

type TopicRequest = Pick<ReadHistoryRequest, "broker" | "topic">;

/** Implements carillon.v1.HistoryService. */
export class HistoryImplementation implements ImplementationOf<typeof HistoryService> {
  readonly #options: HistoryImplementationOptions;

  constructor(options: HistoryImplementationOptions) {
    this.#options = options;
  }

  async readHistory(request: ReadHistoryRequest, { backend }: Pick<RpcCall, "backend">) {
    const { store, topic } = this.#findTopic(backend, request);
    const query = readHistoryRequest(request);
    return toPageMessage(request.topic, await store.read(topic, query), query.from);
  }

  async purgeHistory(request: PurgeHistoryRequest, { backend }: Pick<RpcCall, "backend">) {
    const { store, topic } = this.#findTopic(backend, request);
    return { messages: BigInt(await store.purge(topic)) };
  }

  /** @throws CarillonError invalid_argument, permission_denied, not_found; failed_precondition: no history */
  #findTopic(backend: Backend, request: TopicRequest): { readonly store: HistoryStore; readonly topic: StoredTopic } {
    const { brokers, historyOf } = this.#options;
    const { vhost } = backend;
    const { broker, topic } = request;
    checkTopic(backend, "topic", topic);
    const { driver } = brokers.resolve(vhost, broker);
    const history = historyOf(vhost, topic);
    if (history !== undefined) return { store: driver.history, topic: { vhost, topic, history } };
    throw new CarillonError("failed_precondition", `topic: ${JSON.stringify(topic)} has no history by its rule`);
  }
}
