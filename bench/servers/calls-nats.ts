import { connect, type NatsConnection } from "nats";
import { type CallRun, callMany } from "../support/call-many.js";
import { answer } from "../support/child.js";

/** Runs request-reply on plain NATS. */
const SUBJECT = "bench.echo";
let connection: NatsConnection | undefined;

async function connectTo(url: string): Promise<NatsConnection> {
  connection = await connect({ servers: url });
  return connection;
}

answer({
  async work(url: string) {
    const nats = await connectTo(url);
    nats.subscribe(SUBJECT, {
      queue: "workers",
      callback: (_error, msg) => {
        msg.respond(msg.data);
      },
    });
    await nats.flush();
  },

  async start(url: string) {
    await connectTo(url);
  },

  run: (run: CallRun) =>
    callMany(run, async (payload) => {
      const reply = await connection?.request(SUBJECT, payload, { timeout: 10_000 });
      return reply?.data.length === payload.length;
    }),
});
