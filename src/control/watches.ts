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
  /** Changes that may wait for one watcher; 10,000 unless said otherwise. */
  readonly waitingChanges?: number;
}

/** What a watcher is told. */
export type WatchEvent =
  | { readonly change: "open" | "opened"; readonly connection: ConnectionInfo }
  | { readonly change: "closed"; readonly connection: ConnectionInfo; readonly code: number }
  | { readonly change: "caught_up" };

const WAITING_CHANGES = 10_000;

/**
 * Events after which a watcher gives up the turn of the event loop (rule O12). Writing one takes up to 60 µs, and a watcher that
 * reads as fast never makes the stream wait.
 */
const TURN_EVENTS = 64;

interface Held {
  readonly mirror: WatchMirror;
  holders: number;
}

/** Watchers of connections, on any node. */
export class Watches {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #waitingChanges: number;
  readonly #sender: WatchSender;
  readonly #mirrors = new Map<string, Held>();
  readonly #stopping = new AbortController();

  constructor(options: WatchesOptions) {
    const { clock, cluster, waitingChanges = WAITING_CHANGES } = options;
    // One for each watcher.
    setMaxListeners(0, this.#stopping.signal);
    this.#cluster = cluster;
    this.#clock = clock;
    this.#waitingChanges = waitingChanges;
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
   * First the connections that are open, then "caught_up", then what changes, each once. Connections of nodes that do not
   * answer are told as opened when they do. Ends with the signal's reason.
   *
   * @param user - "": all. Whoever a connection acts for when it is told; a user that it gets later does not count.
   * @throws CarillonError resource_exhausted: the watcher is too slow; unavailable: this node is stopping
   */
  async *watch({ vhost }: Backend, user: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    checkLength("user", user);
    const queue = new ChangeQueue<WatchEvent>(this.#waitingChanges);
    const signals = [signal, this.#stopping.signal];
    const mirror = this.#hold(vhost);
    let unlisten: (() => void) | undefined;
    let held = true;
    // Whoever is gone may never ask for the next: what it holds is let go when it is known to be gone.
    const letGo = (): void => {
      unlisten?.();
      for (const one of signals) one.removeEventListener("abort", onAbort);
      if (held) this.#release(vhost);
      held = false;
    };
    const gone = withResolvers<void>();
    const onAbort = (): void => {
      queue.fail(reasonOf(signals));
      gone.resolve(undefined);
      letGo();
    };
    for (const one of signals) one.addEventListener("abort", onAbort);
    try {
      if (signals.some(({ aborted }) => aborted)) onAbort();
      await Promise.race([mirror.ready, gone.promise]);
      queue.check();
      const meant = (connection: ConnectionInfo): boolean => user === "" || connection.user === user;
      const open = [...mirror.connections()].filter(meant);
      unlisten = mirror.listen({
        onAdded: (connection) => {
          if (meant(connection)) queue.push({ change: "opened", connection });
        },
        onRemoved: (connection, code) => {
          if (meant(connection)) queue.push({ change: "closed", connection, code });
        },
      });
      let told = 0;
      for (const connection of open) {
        queue.check();
        yield { change: "open", connection };
        told += 1;
        if (told % TURN_EVENTS === 0) await setImmediate();
      }
      yield { change: "caught_up" };
      for (;;) {
        yield await queue.next();
        told += 1;
        if (told % TURN_EVENTS === 0) await setImmediate();
      }
    } finally {
      letGo();
    }
  }

  /** Ends the watches, and what is told to other nodes. */
  stop(): void {
    this.#stopping.abort(new CarillonError("unavailable", "this node is stopping"));
    this.#sender.stop();
  }

  #hold(vhost: string): WatchMirror {
    let held = this.#mirrors.get(vhost);
    if (held === undefined) {
      held = { mirror: new WatchMirror({ cluster: this.#cluster, clock: this.#clock, vhost }), holders: 0 };
      this.#mirrors.set(vhost, held);
    }
    held.holders += 1;
    return held.mirror;
  }

  #release(vhost: string): void {
    const held = this.#mirrors.get(vhost);
    if (held === undefined) return;
    held.holders -= 1;
    if (held.holders > 0) return;
    this.#mirrors.delete(vhost);
    held.mirror.end();
  }
}

function reasonOf(signals: readonly AbortSignal[]): Error {
  const reason: unknown = signals.find(({ aborted }) => aborted)?.reason;
  return reason instanceof Error ? reason : new CarillonError("cancelled", "the watch has ended");
}
