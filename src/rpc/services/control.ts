import type {
  ControlService,
  CreateKeyRequest,
  CreateVhostRequest,
  DisconnectRequest,
  ExplainAccessRequest,
  ListConnectionsRequest,
  ListTopicsRequest,
  RebalanceRequest,
  RevokeKeyRequest,
  SubscribeRequest,
  UnsubscribeRequest,
  UpdateVhostRequest,
} from "../../../gen/carillon/v1/control_pb.js";
import type { BackendAction } from "../../access/decide/actions.js";
import type { Control } from "../../control/control.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import {
  readExplainedCaller,
  readTarget,
  toConnectionMessage,
  toKeyMessage,
  toPermissionsMessage,
  toVhostMessage,
  toWatchAnswer,
} from "./control-messages.js";

/** Action that each method needs. */
export const CONTROL_ACTIONS: Readonly<Record<keyof typeof ControlService.method, BackendAction>> = {
  listConnections: "connections",
  getConnection: "connections",
  watchConnections: "connections",
  disconnect: "connections",
  subscribe: "connections",
  unsubscribe: "connections",
  explainAccess: "connections",
  listTopics: "topics",
  createVhost: "vhosts",
  updateVhost: "vhosts",
  getVhost: "vhosts",
  listVhosts: "vhosts",
  deleteVhost: "vhosts",
  rebalance: "vhosts",
  reload: "vhosts",
  openChannel: "channels",
  closeChannel: "channels",
  listChannels: "channels",
  createKey: "keys",
  listKeys: "keys",
  revokeKey: "keys",
};

type Caller = Pick<RpcCall, "backend">;
type WithPath = { readonly path: string };
type WithChannel = { readonly channel: string };

/** Implements carillon.v1.ControlService on {@link Control}. */
export class ControlImplementation implements ImplementationOf<typeof ControlService> {
  readonly #control: Control;

  constructor(control: Control) {
    this.#control = control;
  }

  async listConnections(request: ListConnectionsRequest, { backend }: Caller) {
    const { missingNodes, value } = await this.#control.connections.list(backend, request);
    const { items, nextPageToken } = value;
    return { connections: items.map(toConnectionMessage), nextPageToken, missingNodes: [...missingNodes] };
  }

  async getConnection({ id }: { readonly id: string }, { backend }: Caller) {
    const { connection, permissions, topics } = await this.#control.connections.get(backend, id);
    return {
      connection: toConnectionMessage(connection),
      topics: topics.map((topic) => ({ ...topic })),
      ...(permissions !== undefined && { permissions: toPermissionsMessage(permissions) }),
    };
  }

  async explainAccess({ action, client, topic }: ExplainAccessRequest, { backend }: Caller) {
    const { allowed, reason } = await this.#control.access.explain(backend, {
      action,
      topic,
      client: readExplainedCaller(client),
    });
    return { allowed, reason };
  }

  async *watchConnections({ user }: { readonly user: string }, { backend, signal }: RpcCall) {
    for await (const event of this.#control.watches.watch(backend, user, signal)) yield toWatchAnswer(event);
  }

  async disconnect({ code, reason, target }: DisconnectRequest, { backend }: Caller) {
    const close = { code, text: reason };
    const { missingNodes, value } = await this.#control.connections.disconnect(backend, readTarget(target), close);
    return { connections: value, missingNodes: [...missingNodes] };
  }

  async subscribe({ broker, target, topics }: SubscribeRequest, { backend }: Caller) {
    const request = { broker, topics, target: readTarget(target) };
    const { missingNodes, value } = await this.#control.subscriptions.subscribe(backend, request);
    return { connections: value, missingNodes: [...missingNodes] };
  }

  async unsubscribe({ broker, target, topics }: UnsubscribeRequest, { backend }: Caller) {
    const request = { broker, topics, target: readTarget(target) };
    const { missingNodes, value } = await this.#control.subscriptions.unsubscribe(backend, request);
    return { connections: value, missingNodes: [...missingNodes] };
  }

  async listTopics(request: ListTopicsRequest, { backend }: Caller) {
    const { missingNodes, value } = await this.#control.topics.list(backend, request);
    const { items, nextPageToken } = value;
    return {
      topics: items.map((topic) => ({ ...topic, messages: BigInt(topic.messages) })),
      nextPageToken,
      missingNodes: [...missingNodes],
    };
  }

  async createVhost({ path, settings = {} }: CreateVhostRequest, { backend }: Caller) {
    return { vhost: toVhostMessage(await this.#control.vhosts.create(backend, path, settings)) };
  }

  async updateVhost({ path, settings = {} }: UpdateVhostRequest, { backend }: Caller) {
    return { vhost: toVhostMessage(await this.#control.vhosts.update(backend, path, settings)) };
  }

  async getVhost({ path }: WithPath, { backend }: Caller) {
    return { vhost: toVhostMessage(await this.#control.vhosts.get(backend, path)) };
  }

  async listVhosts(_request: object, { backend }: Caller) {
    return { vhosts: (await this.#control.vhosts.list(backend)).map(toVhostMessage) };
  }

  async deleteVhost({ path }: WithPath, { backend }: Caller) {
    await this.#control.vhosts.delete(backend, path);
    return {};
  }

  async rebalance({ dryRun, rate, tolerance, total }: RebalanceRequest, { backend }: Caller) {
    const { even, missingNodes, nodes, ...counts } = await this.#control.rebalancing.step(backend, {
      tolerance: tolerance === 0 ? undefined : tolerance,
      rate: rate === 0 ? undefined : rate,
      total,
      dryRun,
    });
    return { nodes: nodes.map((node) => ({ ...node })), total: counts.total, even, missingNodes: [...missingNodes] };
  }

  async reload(_request: object, { backend }: Caller) {
    const { changed, restart } = await this.#control.reload(backend);
    return { changed: [...changed], restart: [...restart] };
  }

  async openChannel({ channel }: WithChannel, { backend }: Caller) {
    return { opened: await this.#control.channels.open(backend, channel) };
  }

  async closeChannel({ channel }: WithChannel, { backend }: Caller) {
    await this.#control.channels.close(backend, channel);
    return {};
  }

  async listChannels(_request: object, { backend }: Caller) {
    return { channels: [...(await this.#control.channels.list(backend))] };
  }

  async createKey(request: CreateKeyRequest, { backend }: Caller) {
    const { key, secret } = await this.#control.keys.create(backend, request);
    return { key: toKeyMessage(key), secret };
  }

  async listKeys({ vhost }: { readonly vhost: string }, { backend }: Caller) {
    return { keys: (await this.#control.keys.list(backend, vhost)).map(toKeyMessage) };
  }

  async revokeKey({ id, vhost }: RevokeKeyRequest, { backend }: Caller) {
    await this.#control.keys.revoke(backend, id, vhost);
    return {};
  }
}
