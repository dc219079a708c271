import type { Client } from "../clients/client.js";
import type { Outcome } from "../commands/command.js";
import { execute } from "../commands/execute.js";
import type { Services } from "../commands/services.js";
import type { Received, Texts } from "../dialects/dialect.js";

/** Whoever has sent something, and how it is answered. */
export interface CommandSender {
  readonly client: Client;
  send(texts: Texts): void;
}

/**
 * Does what a frame asks for, and answers it. Resolves when the next may be taken.
 * @returns whether it was a command, refused ones too
 */
export async function runCommand(received: Received, sender: CommandSender, services: Services): Promise<boolean> {
  if (received.kind !== "command") {
    sender.send(received.answer);
    return received.kind === "refused";
  }
  await execute(received.command, sender.client, services, (outcome: Outcome) => {
    sender.send(received.answer(outcome));
  });
  return true;
}
