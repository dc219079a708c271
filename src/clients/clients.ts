import type { Principal } from "../access/decide/principal.js";
import { runInTurns } from "../access/patterns/match-ahead.js";
import type { Hub } from "../core/hub.js";
import type { Clock } from "../core/ports.js";
import type { ChosenClose, CloseReason } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";
import type { Client } from "./client.js";
import { ClientExpiries } from "./expiries.js";

export interface ClientEvents {
  onOpened(client: Client): void;
  /**
   * Called when a connection has ended.
   * @param code - code of the close frame sent or received; 1006 for none
   * @param reason - text of the close frame; "" for none
   */
  onClosed(client: Client, code: number, reason: string): void;
  /** Called when the client's principal has been replaced. */
  onChanged?(client: Client, before: Principal): void;
}

/** Registry of this node's clients. Finds them by id, vhost and user, and disconnects expired ones. */
export class Clients {
  readonly #hub: Hub;
  readonly #clock: Clock;
  readonly #byId = new Map<string, Client>();
  /** Clients that have a user, by vhost and user. */
  readonly #byUser = new Map<string, Set<Client>>();
  /** Numbers of clients by vhost. */
  readonly #counts = new Map<string, number>();
  readonly #expiries: ClientExpiries<Client>;
  readonly #listeners = new Set<ClientEvents>();

  constructor(hub: Hub, clock: Clock) {
    this.#hub = hub;
    this.#clock = clock;
    this.#expiries = new ClientExpiries(clock, (clients) => {
      void runInTurns(
        EXPIRED,
        this.#disconnect(clients, "token_expired", (client) => this.isExpired(client)),
      );
    });
  }

  /** Adds a listener for connects, disconnects and changes. @returns a function that removes it */
  listen(events: ClientEvents): () => void {
    this.#listeners.add(events);
    return () => this.#listeners.delete(events);
  }

  add(client: Client): void {
    this.#byId.set(client.session.id, client);
    this.#count(client, 1);
    this.#index(client);
    this.#hub.add(client.session);
    for (const listener of this.#listeners) listener.onOpened(client);
  }

  /** Removes a client after its connection has ended. */
  remove(client: Client, code: number, reason: string): void {
    if (this.#byId.get(client.session.id) !== client) return;
    this.#byId.delete(client.session.id);
    this.#count(client, -1);
    this.#hub.remove(client.session);
    this.#unindex(client);
    client.release();
    for (const listener of this.#listeners) listener.onClosed(client, code, reason);
  }

  get(id: string): Client | undefined {
    return this.#byId.get(id);
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Numbers of clients by vhost, without vhosts that have none. */
  get byVhost(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Returns the clients that have been connected for the longest time, at most `count`. */
  first(count: number): Client[] {
    const found: Client[] = [];
    for (const client of this.#byId.values()) {
      if (found.length >= count) break;
      if (client.session.open) found.push(client);
    }
    return found;
  }

  *all(vhost: string): Generator<Client> {
    for (const client of this.#byId.values()) if (client.vhost.name === vhost) yield client;
  }

  ofUser(vhost: string, user: string): ReadonlySet<Client> {
    return this.#byUser.get(userKey(vhost, user)) ?? NO_CLIENTS;
  }

  /** Replaces a client's principal, for instance after a fresh token. */
  change(client: Client, principal: Principal): void {
    const registered = this.#byId.get(client.session.id) === client;
    const before = client.principal;
    if (registered) this.#unindex(client);
    client.setPrincipal(principal);
    if (!registered) return;
    this.#index(client);
    for (const listener of this.#listeners) listener.onChanged?.(client, before);
  }

  /** Closes the connection after sending the queued frames. */
  disconnect(client: Client, reason: CloseReason | ChosenClose): void {
    this.#hub.remove(client.session, reason);
  }

  /**
   * Closes connections in slices (rule A15). Resolves when all are closing. Has its own queue, so that the vhost's other long
   * work does not delay it.
   */
  disconnectEach(vhost: string, clients: readonly Client[], reason: CloseReason | ChosenClose): Promise<void> {
    return runInTurns(
      `${vhost}\ndisconnect`,
      this.#disconnect(clients, reason, () => true),
    );
  }

  /** Closes the connections of a vhost's clients. Resolves when all have ended. */
  async disconnectAll(vhost: string, reason: CloseReason): Promise<void> {
    const remaining = new Set(this.all(vhost));
    if (remaining.size === 0) return;
    const { promise: gone, resolve } = withResolvers<void>();
    const unlisten = this.listen({
      onOpened: () => {},
      onClosed: (client) => {
        if (remaining.delete(client) && remaining.size === 0) resolve();
      },
    });
    await this.disconnectEach(vhost, [...remaining], reason);
    await gone;
    unlisten();
  }

  /** Whether the client's token has expired. An expired client may send no new commands. */
  isExpired({ principal: { expires } }: Client): boolean {
    return expires !== undefined && expires <= this.#clock.now();
  }

  stop(): void {
    this.#expiries.stop();
  }

  /**
   * Disconnects clients, and yields the cost of each.
   * @param shouldDisconnect - called right before each client, because its token may have been renewed meanwhile
   */
  *#disconnect(
    clients: readonly Client[],
    reason: CloseReason | ChosenClose,
    shouldDisconnect: (client: Client) => boolean,
  ): Generator<number, void> {
    for (const client of clients) {
      const topics = client.session.memberships.size;
      if (shouldDisconnect(client)) this.disconnect(client, reason);
      yield DISCONNECT_STEPS + LEAVE_STEPS * topics;
    }
  }

  #count({ vhost: { name } }: Client, change: number): void {
    const count = (this.#counts.get(name) ?? 0) + change;
    if (count === 0) this.#counts.delete(name);
    else this.#counts.set(name, count);
  }

  #index(client: Client): void {
    const { expires, user } = client.principal;
    if (expires !== undefined) this.#expiries.add(client, expires);
    if (user === undefined) return;
    const key = userKey(client.vhost.name, user);
    const clients = this.#byUser.get(key) ?? new Set();
    this.#byUser.set(key, clients);
    clients.add(client);
  }

  #unindex(client: Client): void {
    const { expires, user } = client.principal;
    if (expires !== undefined) this.#expiries.delete(client, expires);
    if (user === undefined) return;
    const key = userKey(client.vhost.name, user);
    const clients = this.#byUser.get(key);
    clients?.delete(client);
    if (clients?.size === 0) this.#byUser.delete(key);
  }
}

/** Costs of closing a connection, and of ending each of its memberships, in steps (rule A15). */
export const DISCONNECT_STEPS = 2_000;
export const LEAVE_STEPS = 150;

/** Key of the queue for expired connections. Not a valid vhost path, so it collides with no vhost's queue. */
const EXPIRED = "expired";

const NO_CLIENTS: ReadonlySet<Client> = new Set();

/** Joins vhost and user by a line feed, which no vhost path contains. */
function userKey(vhost: string, user: string): string {
  return `${vhost}\n${user}`;
}
