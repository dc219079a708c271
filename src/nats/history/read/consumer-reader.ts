import { AckPolicy, type ConsumerInfo, createInbox, DeliverPolicy, type Msg, type NatsConnection } from "nats";
import { ignore } from "../../../util/ignore.js";
import { withResolvers } from "../../../util/with-resolvers.js";
import type { StreamAddress } from "../position.js";

/** Time after which the server removes a consumer that was left behind, in nanoseconds. */
const INACTIVE = 10_000_000_000;

/**
 * Reads many messages of a subject by a short-lived consumer, for servers without batched direct gets.
 * @param most - maximum number of messages
 * @param timeout - longest wait between two answers, in milliseconds
 * @returns the messages as the server sends them, and the number of further ones
 * @throws errors of the library
 */
export async function readByConsumer(
  connection: NatsConnection,
  { stream, subject }: StreamAddress,
  first: number,
  most: number,
  timeout: number,
): Promise<{ readonly msgs: readonly Msg[]; readonly pending: number }> {
  const manager = await connection.jetstreamManager({ timeout, checkAPI: false });
  const consumer = await manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: Math.max(1, first),
    filter_subject: subject,
    inactive_threshold: INACTIVE,
    mem_storage: true,
    num_replicas: 1,
  });
  try {
    const wanted = Math.min(most, consumer.num_pending);
    const msgs = wanted === 0 ? [] : await pull(connection, consumer, wanted, timeout);
    return { msgs, pending: consumer.num_pending - msgs.length };
  } finally {
    manager.consumers.delete(stream, consumer.name).catch(ignore);
  }
}

async function pull(
  connection: NatsConnection,
  { name, stream_name: stream }: ConsumerInfo,
  wanted: number,
  timeout: number,
): Promise<readonly Msg[]> {
  const { promise, resolve, reject } = withResolvers<readonly Msg[]>();
  const inbox = createInbox();
  const msgs: Msg[] = [];
  const timer = setTimeout(() => {
    reject(new Error("no answer of a consumer"));
  }, timeout);
  const subscription = connection.subscribe(inbox, {
    callback: (error, msg) => {
      timer.refresh();
      if (error !== null) reject(error);
      // The messages were removed meanwhile.
      else if ((msg.headers?.code ?? 0) !== 0) resolve(msgs);
      else if (msgs.push(msg) === wanted) resolve(msgs);
    },
  });
  try {
    const request = JSON.stringify({ batch: wanted, no_wait: true });
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, request, { reply: inbox });
    return await promise;
  } finally {
    clearTimeout(timer);
    subscription.unsubscribe();
  }
}
