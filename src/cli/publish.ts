import { buffer } from "node:stream/consumers";
import { PublishClient } from "../rpc/client.js";
import { fail } from "./exit-code.js";

export interface PublishFlags {
  readonly server: string;
  readonly event?: string;
  readonly id?: string;
  readonly brokerName?: string;
  readonly async?: true;
}

/** Publishes one message and prints its id and how far it got. Without a payload, or with "-", it is read from stdin. */
export async function publish(topic: string, text: string | undefined, flags: PublishFlags): Promise<void> {
  const payload = text === undefined || text === "-" ? await buffer(process.stdin) : Buffer.from(text);
  const client = new PublishClient(flags.server);
  try {
    const message = {
      topics: [topic],
      payload,
      event: flags.event ?? "",
      id: flags.id ?? "",
      broker: flags.brokerName ?? "",
    };
    const { receipts } = await client.publish({ messages: [message] }, { async: flags.async === true });
    for (const { id, stage } of receipts) process.stdout.write(`${id} ${STAGES[stage]}\n`);
  } catch (error) {
    fail(error);
  } finally {
    client.close();
  }
}

/** By the numbers of websockets.v1.Stage. */
const STAGES = ["unspecified", "accepted", "flushed", "stored"];
