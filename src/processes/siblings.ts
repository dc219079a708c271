import { join } from "node:path";
import type { CollectedMetrics, WrittenMetrics } from "../observe/metrics.js";
import { ignore } from "../util/ignore.js";
import { Channel, type ChannelPeer } from "./channel.js";
import { FROM_NODE, FROM_PRIMARY, type ProcessStart, type ProcessState } from "./messages.js";
import type { ProcessReload } from "./primary.js";

/** Operations of this process that the primary process requests. */
export interface ProcessHandlers {
  readonly collect: () => Promise<CollectedMetrics>;
  readonly reload: () => Promise<ProcessReload>;
  readonly stop: () => void;
}

/** The processes of the same machine, as one of them sees them. */
export class Siblings {
  readonly #channel: Channel;
  readonly #start: ProcessStart;

  private constructor(channel: Channel, start: ProcessStart) {
    this.#channel = channel;
    this.#start = start;
  }

  /** @param handlers - called from now on, also before the node has started */
  static async join(peer: ChannelPeer, handlers: ProcessHandlers): Promise<Siblings> {
    const channel = new Channel(peer, {
      [FROM_PRIMARY.collect]: () => handlers.collect(),
      [FROM_PRIMARY.live]: ignore,
      [FROM_PRIMARY.reload]: () => handlers.reload(),
      [FROM_PRIMARY.stop]: () => {
        handlers.stop();
      },
    });
    return new Siblings(channel, await channel.ask<ProcessStart>(FROM_NODE.start));
  }

  /** Number of this process, from 1 on. */
  get number(): number {
    return this.#start.number;
  }

  /** Addresses of the ports, HOST:PORT. */
  get addresses(): Pick<ProcessStart, "grpc" | "http"> {
    const { grpc, http } = this.#start;
    return { grpc, http };
  }

  /** URL of the NATS server that the primary process runs. */
  get broker(): string | undefined {
    return this.#start.broker;
  }

  /** Whether there is a process with this number. */
  has(number: number): boolean {
    return number >= 1 && number <= this.#start.count;
  }

  /** Path of the Unix socket at which a process takes requests from the others. */
  socketOf(number: number): string {
    return join(this.#start.folder, `${number}.sock`);
  }

  /** Reports the state of this process. */
  report(state: ProcessState): void {
    this.#channel.tell(FROM_NODE.state, state);
  }

  /** Lists why the processes together are not ready; empty when they are. */
  readiness(): Promise<readonly string[]> {
    return this.#channel.ask(FROM_NODE.readiness);
  }

  /** Returns the metrics of all processes together, in Prometheus' text format. */
  metrics(): Promise<WrittenMetrics> {
    return this.#channel.ask(FROM_NODE.metrics);
  }

  /** Has all processes read their configuration again. @throws CarillonError: see `Primary.reload` */
  reload(): Promise<ProcessReload> {
    return this.#channel.ask(FROM_NODE.reload);
  }
}
