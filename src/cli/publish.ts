import { buffer } from "node:stream/consumers";
import { BroadcastService, type Receipt } from "../../gen/websockets/v1/websockets_pb.js";
import { asBackend } from "./backend.js";
import type { BackendFlags } from "./node-options.js";
import { escapeControls, printJson } from "./terminal/print.js";

export interface PublishFlags extends BackendFlags {
  readonly event?: string;
  readonly id?: string;
  readonly brokerName?: string;
  readonly async?: true;
  readonly json?: true;
}

/**
 * Publishes one message, and prints its id and stage, and where it is stored its position. The payload is read from stdin if it
 * is omitted or "-".
 */
export async function publishCommand(topic: string, text: string | undefined, flags: PublishFlags): Promise<void> {
  const payload = text === undefined || text === "-" ? await buffer(process.stdin) : Buffer.from(text);
  const { publish, publishAsync } = BroadcastService.method;
  await asBackend(flags, async (client) => {
    const { brokerName: broker = "", event = "", id = "" } = flags;
    const request = { messages: [{ topics: [topic], payload, event, id, broker }] };
    const { receipts } = await client.call(flags.async === true ? publishAsync : publish, request);
    for (const receipt of receipts) {
      if (flags.json === true) printJson(describe(receipt));
      else process.stdout.write(`${escapeControls(formatReceipt(receipt))}\n`);
    }
  });
}

function formatReceipt({ duplicate, id, position, stage }: Receipt): string {
  const parts = [id, STAGES[stage], ...(position === "" ? [] : [position]), ...(duplicate ? ["duplicate"] : [])];
  return parts.join(" ");
}

function describe({ duplicate, id, position, stage }: Receipt): object {
  return { id, stage: STAGES[stage], ...(position !== "" && { position }), duplicate };
}

/** Names of stages, by the numbers of websockets.v1.Stage. */
const STAGES = ["unspecified", "accepted", "flushed", "stored"];
