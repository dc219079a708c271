import { setMaxListeners } from "node:events";
import { setImmediate } from "node:timers/promises";
import type { Backend } from "../access/keys/backend.js";
import type { Cluster } from "../cluster/cluster.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";
import { ChangeQueue } from "./change-queue.js";
import { checkLength } from "./checks.js";
import type { ConnectionInfo } from "./connection-info.js";
import { type VhostChanges, WATCH_CHANGES } from "./watch-messages.js";
import { WatchMirror } from "./watch-mirror.js";
import { WatchSender, type WatchSenderOptions } from "./watch-sender.js";

export interface WatchesOptions extends WatchSenderOptions {
  /** Maximum number of pending changes of one watcher; default: 10,000. */
  readonly maxPendingChanges?: number;
}

/** Event of a watch. */
export type WatchEvent =
  | { readonly change: "open" | "opened"; readonly connection: ConnectionInfo }
  | { readonly change: "closed"; readonly connection: ConnectionInfo; readonly code: number }
  | { readonly change: "caught_up" };

const MAX_PENDING_CHANGES = 10_000;

/**
 * Number of events after which a watch yields to the event loop (rule O12). Encoding an event takes up to 60 µs, and the
 * stream of a fast reader never waits.
 */
const TURN_EVENTS = 64;

/** Mirror shared by the watchers of a vhost. */
interface SharedMirror {
  readonly mirror: WatchMirror;
  watchers: number;
}

/** Watches connections on all nodes. */
export class Watches {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #maxPendingChanges: number;
  readonly #sender: WatchSender;
  readonly #mirrors = new Map<string, SharedMirror>();
  readonly #stopping = new AbortController();

  constructor(options: WatchesOptions) {
    const { clock, cluster, maxPendingChanges = MAX_PENDING_CHANGES } = options;
    // Each watcher adds a listener.
    setMaxListeners(0, this.#stopping.signal);
    this.#cluster = cluster;
    this.#clock = clock;
    this.#maxPendingChanges = maxPendingChanges;
    this.#sender = new WatchSender(options);
    cluster.handle(WATCH_CHANGES, (body, from) => {
      const changes = body as unknown as VhostChanges;
      this.#mirrors.get(changes.vhost)?.mirror.takeChanges(from, changes);
      return null;
    });
    cluster.onNodes(({ alive, node }) => {
      for (const { mirror } of this.#mirrors.values()) mirror.onNode(node, alive);
    });
  }

  /**
   * Yields the open connections, then `caught_up`, then each change once. Connections of a node that does not answer are
   * reported as opened when it does. Ends by throwing the signal's reason.
   *
   * @param user - user whose connections are watched, as of each event; "" for all. A later change of user causes no event
   * @throws CarillonError resource_exhausted: the watcher reads too slowly; unavailable: this node is stopping
   */
  async *watch({ vhost }: Backend, user: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    checkLength("user", user);
    const queue = new ChangeQueue<WatchEvent>(this.#maxPendingChanges);
    const signals = [signal, this.#stopping.signal];
    const mirror = this.#acquire(vhost);
    let unlisten: (() => void) | undefined;
    let acquired = true;
    // A disconnected caller may never read another event, so an abort removes its watch at once.
    const release = (): void => {
      unlisten?.();
      for (const one of signals) one.removeEventListener("abort", onAbort);
      if (acquired) this.#release(vhost);
      acquired = false;
    };
    const ended = withResolvers<void>();
    const onAbort = (): void => {
      queue.fail(toReason(signals));
      ended.resolve(undefined);
      release();
    };
    for (const one of signals) one.addEventListener("abort", onAbort);
    try {
      if (signals.some(({ aborted }) => aborted)) onAbort();
      await Promise.race([mirror.ready, ended.promise]);
      queue.check();
      const matchesUser = (connection: ConnectionInfo): boolean => user === "" || connection.user === user;
      const open = [...mirror.connections()].filter(matchesUser);
      unlisten = mirror.listen({
        onAdded: (connection) => {
          if (matchesUser(connection)) queue.push({ change: "opened", connection });
        },
        onRemoved: (connection, code) => {
          if (matchesUser(connection)) queue.push({ change: "closed", connection, code });
        },
      });
      let events = 0;
      for (const connection of open) {
        queue.check();
        yield { change: "open", connection };
        events += 1;
        if (events % TURN_EVENTS === 0) await setImmediate();
      }
      yield { change: "caught_up" };
      for (;;) {
        yield await queue.next();
        events += 1;
        if (events % TURN_EVENTS === 0) await setImmediate();
      }
    } finally {
      release();
    }
  }

  /** Ends all watches, and the changes sent to other nodes. */
  stop(): void {
    this.#stopping.abort(new CarillonError("unavailable", "this node is stopping"));
    this.#sender.stop();
  }

  #acquire(vhost: string): WatchMirror {
    let shared = this.#mirrors.get(vhost);
    if (shared === undefined) {
      shared = { mirror: new WatchMirror({ cluster: this.#cluster, clock: this.#clock, vhost }), watchers: 0 };
      this.#mirrors.set(vhost, shared);
    }
    shared.watchers += 1;
    return shared.mirror;
  }

  #release(vhost: string): void {
    const shared = this.#mirrors.get(vhost);
    if (shared === undefined) return;
    shared.watchers -= 1;
    if (shared.watchers > 0) return;
    this.#mirrors.delete(vhost);
    shared.mirror.end();
  }
}

function toReason(signals: readonly AbortSignal[]): Error {
  const reason: unknown = signals.find(({ aborted }) => aborted)?.reason;
  return reason instanceof Error ? reason : new CarillonError("cancelled", "the watch has ended");
}
