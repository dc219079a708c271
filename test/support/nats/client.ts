import { type ConnectionOptions, connect, type Msg, type NatsConnection, type Subscription } from "nats";
import { cleanUp } from "../clean-up.js";
import type { NatsServer } from "./server.js";

/** Connects a plain NATS client, and closes it after the test. */
export async function connectNats(
  server: Pick<NatsServer, "url">,
  options: ConnectionOptions = {},
): Promise<NatsConnection> {
  const connection = await connect({ servers: server.url, ...options });
  cleanUp(() => connection.close());
  return connection;
}

/** Queue of a subject's messages. */
export class NatsInbox {
  readonly #iterator: AsyncIterator<Msg>;

  constructor(subscription: Subscription) {
    this.#iterator = subscription[Symbol.asyncIterator]();
  }

  async next(): Promise<Msg> {
    const { done, value } = await this.#iterator.next();
    if (done === true) throw new Error("the subscription has ended");
    return value;
  }
}

/** Subscribes, and resolves when the server has processed the subscription. */
export async function listenTo(connection: NatsConnection, subject: string): Promise<NatsInbox> {
  const inbox = new NatsInbox(connection.subscribe(subject));
  await connection.flush();
  return inbox;
}
