import { connect, type NatsConnection } from "nats";
import type { HistoryClass } from "../../src/core/history.js";
import { MessageIds, type Publication } from "../../src/core/message.js";
import { NatsDriver } from "../../src/nats/broker/driver.js";
import { systemClock } from "../../src/util/system-clock.js";
import { answer } from "../support/child.js";

/** Publishes by Carillon's driver, and with the NATS library alone, in one process. */
const BYTES = 100;
const PAYLOAD = Buffer.from("x".repeat(BYTES));

interface Start {
  readonly url: string;
  readonly history: HistoryClass;
  readonly subject: string;
}

interface Run {
  readonly way: "bare" | "stored" | "plain";
  readonly messages: number;
  readonly concurrency: number;
}

let connection: NatsConnection | undefined;
let driver: NatsDriver | undefined;
let start: Start | undefined;
let count = 0;

function nextId(): string {
  count += 1;
  return `bench-${process.pid}-${count}`;
}

/** Publishes one message to JetStream, as the library's documentation does. */
async function publishBare(): Promise<void> {
  await connection?.jetstream().publish(start?.subject ?? "", PAYLOAD, { msgID: nextId() });
}

async function publishByDriver(history: HistoryClass | undefined): Promise<void> {
  const message = { id: nextId(), event: "", sender: "", time: Date.now(), payload: PAYLOAD };
  const publication: Publication = { vhost: "/", topic: "bench", message, ...(history && { history }) };
  await driver?.publish([publication]);
}

answer({
  async start(options: Start) {
    start = options;
    connection = await connect({ servers: options.url });
    driver = new NatsDriver({
      name: "nats",
      nats: {
        servers: [options.url],
        prefix: "carillon",
        clientName: "bench",
        pendingBytes: 64 << 20,
        confirmTimeout: 10_000,
      },
      ids: new MessageIds("bench"),
      clock: systemClock,
      events: { onUp: () => {}, onDown: () => {}, onError: () => {} },
    });
    await driver.start();
    const faults = await driver.history.prepareClasses("/", [options.history]);
    if (faults.length > 0) throw new Error(faults.join("; "));
  },

  /** Answers when all messages are confirmed. */
  async run({ concurrency, messages, way }: Run) {
    const publish = way === "bare" ? publishBare : () => publishByDriver(way === "stored" ? start?.history : undefined);
    let left = messages;
    const lane = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await publish();
      }
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  },
});
