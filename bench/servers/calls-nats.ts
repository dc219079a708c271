import { connect, type NatsConnection } from "nats";
import { type CallRun, callMany } from "../support/call-many.js";
import { answer } from "../support/child.js";

/** What a request and its reply cost on NATS by itself. */
const SUBJECT = "bench.echo";
let connection: NatsConnection | undefined;

async function connected(url: string): Promise<NatsConnection> {
  connection = await connect({ servers: url });
  return connection;
}

answer({
  async work(url: string) {
    const nats = await connected(url);
    nats.subscribe(SUBJECT, {
      queue: "workers",
      callback: (_error, msg) => {
        msg.respond(msg.data);
      },
    });
    await nats.flush();
  },

  async start(url: string) {
    await connected(url);
  },

  run: (run: CallRun) =>
    callMany(run, async (payload) => {
      const reply = await connection?.request(SUBJECT, payload, { timeout: 10_000 });
      return reply?.data.length === payload.length;
    }),
});
