import { answer } from "./support/child.js";
import { type Hello, Receiver } from "./support/receiver.js";
import { type Counts, Tally } from "./support/tally.js";

/** The process that holds the receiving clients of one server. */
let receivers: Receiver[] = [];
let tally = new Tally();
/** Counts for the clients that stop reading. */
let slow = new Tally();

/** What the clients of a server are to do. */
export interface Connect {
  readonly port: number;
  /** The same for all clients, or one for each. */
  readonly path: string | readonly string[];
  readonly from: string;
  /** One for each client: a text that it sends once it is connected, "" for none, or more than that. */
  readonly hellos: readonly (string | Hello)[];
  /** How many frames of the server answer a text. */
  readonly answers: number;
  /** How many clients connect at a time. */
  readonly abreast: number;
}

function open(options: Connect, path: string, hello: Hello): Promise<void> {
  return new Promise((resolve, reject) => {
    const onReady = (fault?: string): void => {
      if (fault === undefined) resolve();
      else reject(new Error(fault));
    };
    receivers.push(new Receiver({ ...options, path, hello, tally, onReady }));
  });
}

function simple(text: string, answers: number): Hello {
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
        await open(options, path, typeof hello === "string" ? simple(hello, options.answers) : hello);
      }
    };
    await Promise.all(Array.from({ length: options.abreast }, lane));
  },

  close() {
    for (const receiver of receivers) receiver.close();
    receivers = [];
  },

  /** Answers when so many messages have arrived since connecting, at all clients together. */
  arrived: ({ patience, total }: { readonly total: number; readonly patience: number }) =>
    tally.arrived(total, patience),

  counts: (): Counts => tally.counts,

  slowCounts: (): Counts => slow.counts,

  /** The first so many clients stop reading. */
  pause(clients: number) {
    for (const receiver of receivers.slice(0, clients)) receiver.pause(slow);
  },

  resume() {
    for (const receiver of receivers) receiver.resume();
  },

  /** From now on times are taken. */
  beginLatency() {
    tally.measureLatency();
  },

  endLatency() {
    const { latency } = tally;
    tally.latency = undefined;
    return latency?.toJSON();
  },
});
