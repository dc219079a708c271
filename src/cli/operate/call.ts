import { buffer } from "node:stream/consumers";
import { CallService } from "../../../gen/carillon/v1/call_pb.js";
import { asBackend } from "../backend.js";
import type { BackendFlags } from "../node-options.js";
import { printPayload } from "../terminal/print.js";

/** Time for the node to report that a call has timed out, in milliseconds. */
const GRACE = 5_000;

export interface CallFlags extends BackendFlags {
  /** Time limit of the call, in milliseconds. */
  readonly timeout: number;
  readonly trigger?: true;
}

/**
 * Calls a worker, and prints each part of the answer in a line; with `--trigger` only the task's id. The payload is read from stdin if
 * it is omitted or "-".
 */
export async function callCommand(event: string, text: string | undefined, flags: CallFlags): Promise<void> {
  const payload = text === undefined || text === "-" ? await buffer(process.stdin) : Buffer.from(text);
  const request = { event, payload, timeout: toDuration(flags.timeout) };
  await asBackend(flags, async (client) => {
    if (flags.trigger === true) {
      const { taskId } = await client.call(CallService.method.trigger, request);
      process.stdout.write(`${taskId}\n`);
      return;
    }
    const { parts } = await client.call(CallService.method.call, request, flags.timeout + GRACE);
    for (const part of parts) printPayload(part);
  });
}

/** @param milliseconds - whole number */
function toDuration(milliseconds: number) {
  return { seconds: BigInt(Math.floor(milliseconds / 1_000)), nanos: (milliseconds % 1_000) * 1_000_000 };
}
