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
   * @param code - of the close frame that was sent or came; 1006 for none
   * @param reason - its text; "" for none
   */
  onClosed(client: Client, code: number, reason: string): void;
  /** It acts for another principal than before. */
  onChanged?(client: Client, before: Principal): void;
}

/** The clients of this node: who they are, and when their time is up. */
export class Clients {
  readonly #hub: Hub;
  readonly #clock: Clock;
  readonly #byId = new Map<string, Client>();
  /** Of clients that have a user, by vhost and user. */
  readonly #byUser = new Map<string, Set<Client>>();
  readonly #expiries: ClientExpiries<Client>;
  readonly #listeners = new Set<ClientEvents>();

  constructor(hub: Hub, clock: Clock) {
    this.#hub = hub;
    this.#clock = clock;
    this.#expiries = new ClientExpiries(clock, (clients) => {
      void runInTurns(
        EXPIRED,
        this.#disconnect(clients, "token_expired", (client) => this.isOver(client)),
      );
    });
  }

  /** Told of every client that comes and goes. @returns ends it */
  listen(events: ClientEvents): () => void {
    this.#listeners.add(events);
    return () => this.#listeners.delete(events);
  }

  add(client: Client): void {
    this.#byId.set(client.session.id, client);
    this.#enter(client);
    this.#hub.add(client.session);
    for (const listener of this.#listeners) listener.onOpened(client);
  }

  /** Its connection has ended. */
  remove(client: Client, code: number, reason: string): void {
    if (!this.#byId.delete(client.session.id)) return;
    this.#hub.remove(client.session);
    this.#leave(client);
    client.release();
    for (const listener of this.#listeners) listener.onClosed(client, code, reason);
  }

  get(id: string): Client | undefined {
    return this.#byId.get(id);
  }

  get size(): number {
    return this.#byId.size;
  }

  *all(vhost: string): Generator<Client> {
    for (const client of this.#byId.values()) if (client.vhost.name === vhost) yield client;
  }

  ofUser(vhost: string, user: string): ReadonlySet<Client> {
    return this.#byUser.get(userKey(vhost, user)) ?? NOBODY;
  }

  /** The client may act for longer from now on, or is told of in other words. */
  change(client: Client, principal: Principal): void {
    const here = this.#byId.get(client.session.id) === client;
    const before = client.principal;
    if (here) this.#leave(client);
    client.setPrincipal(principal);
    if (!here) return;
    this.#enter(client);
    for (const listener of this.#listeners) listener.onChanged?.(client, before);
  }

  /** Ends the connection, after what was sent before. */
  disconnect(client: Client, reason: CloseReason | ChosenClose): void {
    this.#hub.remove(client.session, reason);
  }

  /** Ends connections in slices (rule A15). Resolves when all of them are being closed. Commands of the vhost do not delay it. */
  disconnectEach(vhost: string, clients: readonly Client[], reason: CloseReason | ChosenClose): Promise<void> {
    return runInTurns(
      `${vhost}\ndisconnect`,
      this.#disconnect(clients, reason, () => true),
    );
  }

  /** Ends the connections of a vhost's clients. Resolves when they have gone. */
  async disconnectAll(vhost: string, reason: CloseReason): Promise<void> {
    const left = new Set(this.all(vhost));
    if (left.size === 0) return;
    const { promise: gone, resolve } = withResolvers<void>();
    const unlisten = this.listen({
      onOpened: () => {},
      onClosed: (client) => {
        if (left.delete(client) && left.size === 0) resolve();
      },
    });
    await this.disconnectEach(vhost, [...left], reason);
    await gone;
    unlisten();
  }

  /** Whether the client's time is up: it may do nothing new. */
  isOver({ principal: { expires } }: Client): boolean {
    return expires !== undefined && expires <= this.#clock.now();
  }

  stop(): void {
    this.#expiries.stop();
  }

  /** @param isMeant - asked in the turn in which a client's turn has come: a token may have been renewed meanwhile */
  *#disconnect(
    clients: readonly Client[],
    reason: CloseReason | ChosenClose,
    isMeant: (client: Client) => boolean,
  ): Generator<number, void> {
    for (const client of clients) {
      const topics = client.session.memberships.size;
      if (isMeant(client)) this.disconnect(client, reason);
      yield DISCONNECT_STEPS + LEAVE_STEPS * topics;
    }
  }

  #enter(client: Client): void {
    const { expires, user } = client.principal;
    if (expires !== undefined) this.#expiries.add(client, expires);
    if (user === undefined) return;
    const key = userKey(client.vhost.name, user);
    const clients = this.#byUser.get(key) ?? new Set();
    this.#byUser.set(key, clients);
    clients.add(client);
  }

  #leave(client: Client): void {
    const { expires, user } = client.principal;
    if (expires !== undefined) this.#expiries.delete(client, expires);
    if (user === undefined) return;
    const key = userKey(client.vhost.name, user);
    const clients = this.#byUser.get(key);
    clients?.delete(client);
    if (clients?.size === 0) this.#byUser.delete(key);
  }
}

/** Costs of ending a connection, and of each membership that ends with it, in steps (rule A15). */
const DISCONNECT_STEPS = 2_000;
const LEAVE_STEPS = 150;

/** Queue of connections whose tokens have expired: no name of a vhost. */
const EXPIRED = "expired";

const NOBODY: ReadonlySet<Client> = new Set();

/** A line feed is in no vhost path. */
function userKey(vhost: string, user: string): string {
  return `${vhost}\n${user}`;
}
