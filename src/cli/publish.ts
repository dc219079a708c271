import { readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import { PublishClient } from "../outbound/publish-client.js";
import { fail } from "./exit-code.js";

export interface PublishFlags {
  readonly server: string;
  readonly event?: string;
  readonly id?: string;
  readonly brokerName?: string;
  readonly async?: true;
  readonly key?: string;
  readonly vhost?: string;
  readonly tls?: true;
  readonly ca?: string;
}

/** Publishes one message and prints its id and stage. The payload is read from stdin if it is omitted or "-". */
export async function publishCommand(topic: string, text: string | undefined, flags: PublishFlags): Promise<void> {
  const payload = text === undefined || text === "-" ? await buffer(process.stdin) : Buffer.from(text);
  let client: PublishClient | undefined;
  try {
    client = new PublishClient({
      address: flags.server,
      key: flags.key ?? process.env["CARILLON_KEY"],
      vhost: flags.vhost,
      tls: flags.tls === true || flags.ca !== undefined ? { ca: readAuthority(flags.ca) } : undefined,
    });
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
    client?.close();
  }
}

function readAuthority(file: string | undefined): Buffer | undefined {
  return file === undefined ? undefined : readFileSync(file);
}

/** Names of stages, by the numbers of websockets.v1.Stage. */
const STAGES = ["unspecified", "accepted", "flushed", "stored"];
