import { answer } from "./support/child.js";
import { type Hello, Receiver } from "./support/receiver.js";
import { type Counts, Tally } from "./support/tally.js";

/** Process that holds the receiving clients of one server. */
let receivers: Receiver[] = [];
let tally = new Tally();
/** Counts of the clients that stop reading. */
let slow = new Tally();

/** Instructions for the clients of a server. */
export interface Connect {
  readonly port: number;
  /** One path for all clients, or one for each. */
  readonly path: string | readonly string[];
  /** Local addresses to connect from, in turn. */
  readonly from: readonly string[];
  /** One for each client: a text that it sends once connected ("" for none), or a longer exchange. */
  readonly hellos: readonly (string | Hello)[];
  /** Number of frames with which the server answers a text. */
  readonly answers: number;
  /** Number of clients that connect at the same time. */
  readonly concurrency: number;
}

function open(options: Connect, path: string, hello: Hello): Promise<void> {
  const from = options.from[receivers.length % options.from.length] ?? "127.0.0.1";
  return new Promise((resolve, reject) => {
    const onReady = (fault?: string): void => {
      if (fault === undefined) resolve();
      else reject(new Error(fault));
    };
    receivers.push(new Receiver({ ...options, from, path, hello, tally, onReady }));
  });
}

function createHello(text: string, answers: number): Hello {
  return { says: text === "" ? [] : [[text]], answers };
}

answer({
  /** Answers when all clients are ready. */
  async connect(options: Connect) {
    for (const receiver of receivers) receiver.close();
    receivers = [];
    tally = new Tally();
    slow = new Tally();
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < options.hellos.length) {
        const hello = options.hellos[next] ?? "";
        const path = typeof options.path === "string" ? options.path : (options.path[next] ?? "");
        next += 1;
        await open(options, path, typeof hello === "string" ? createHello(hello, options.answers) : hello);
      }
    };
    await Promise.all(Array.from({ length: options.concurrency }, lane));
  },

  close() {
    for (const receiver of receivers) receiver.close();
    receivers = [];
  },

  /** Answers when the clients together have received `total` messages since connecting. */
  arrived: ({ patience, total }: { readonly total: number; readonly patience: number }) =>
    tally.arrived(total, patience),

  counts: (): Counts => tally.counts,

  slowCounts: (): Counts => slow.counts,

  /** Stops reading on the first clients. */
  pause(clients: number) {
    for (const receiver of receivers.slice(0, clients)) receiver.pause(slow);
  },

  resume() {
    for (const receiver of receivers) receiver.resume();
  },

  /** Starts to measure latency. */
  beginLatency() {
    tally.measureLatency();
  },

  endLatency() {
    const { latency } = tally;
    tally.latency = undefined;
    return latency?.toJSON();
  },
});
