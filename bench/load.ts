import { answer } from "./support/child.js";
import { Receiver, type Tally } from "./support/receiver.js";

/** The process that holds the receiving clients. */
let receivers: Receiver[] = [];
let arrived = 0;
let wanted = Number.POSITIVE_INFINITY;
let onArrived = (): void => {};

interface Connect {
  readonly port: number;
  readonly path: string;
  /** Sent by each client once it is connected; its answer makes the client ready. */
  readonly hello?: string;
  readonly clients: number;
}

answer({
  async connect({ clients, hello, path, port }: Connect) {
    for (const receiver of receivers) receiver.close();
    receivers = [];
    arrived = 0;
    for (let count = 0; count < clients; count += 1) {
      await new Promise<void>((resolve) => {
        receivers.push(
          new Receiver(port, path, hello, resolve, () => {
            arrived += 1;
            if (arrived >= wanted) onArrived();
          }),
        );
      });
    }
  },

  /** Answers when so many messages have arrived since connecting, at all clients together. */
  arrived(total: number) {
    if (arrived >= total) return undefined;
    wanted = total;
    return new Promise<void>((resolve) => {
      onArrived = resolve;
    });
  },

  tally(): Tally {
    const sum = { received: 0, duplicated: 0, misordered: 0 };
    for (const { tally } of receivers) {
      sum.received += tally.received;
      sum.duplicated += tally.duplicated;
      sum.misordered += tally.misordered;
    }
    return sum;
  },
});
