import type { Client } from "../clients/client.js";
import { CarillonError } from "../errors.js";
import type { Command, Reply } from "./command.js";
import type { CommandContext } from "./command-context.js";
import { authenticate } from "./handlers/authenticate.js";
import { call } from "./handlers/call.js";
import { close } from "./handlers/close.js";
import { history } from "./handlers/history.js";
import { join } from "./handlers/join.js";
import { leave } from "./handlers/leave.js";
import { presence } from "./handlers/presence.js";
import { publish } from "./handlers/publish.js";
import { trigger } from "./handlers/trigger.js";

/**
 * Executes a client's command. Resolves when the session's next command may be executed, so that commands take effect in the
 * order sent. Errors go to `reply`. Never rejects.
 */
export async function execute(command: Command, client: Client, context: CommandContext, reply: Reply): Promise<void> {
  try {
    checkAllowed(command, client, context);
    await dispatch(command, client, context, reply);
  } catch (cause) {
    reply({ ok: false, error: CarillonError.from(cause) });
  }
}

/** Commands still allowed after the token has expired. */
const ALLOWED_AFTER_EXPIRY: ReadonlySet<Command["kind"]> = new Set(["authenticate", "idle", "close"]);

function checkAllowed(command: Command, client: Client, { clients }: CommandContext): void {
  if (!ALLOWED_AFTER_EXPIRY.has(command.kind) && clients.isExpired(client)) {
    throw new CarillonError("unauthenticated", "the token has expired");
  }
  // The rate limit never refuses a close.
  if (command.kind !== "close" && client.rates?.commands?.take(1) === false) {
    throw new CarillonError("resource_exhausted", "this client exceeds its limit of commands per second");
  }
}

function dispatch(command: Command, client: Client, context: CommandContext, reply: Reply): Promise<void> | void {
  switch (command.kind) {
    case "join":
      return join(command, client, context, reply);
    case "leave":
      return leave(command, client, context, reply);
    case "publish":
      return publish(command, client, context, reply);
    case "authenticate":
      return authenticate(command, client, context, reply);
    case "call":
      return call(command, client, context, reply);
    case "presence":
      return presence(command, client, context, reply);
    case "history":
      return history(command, client, context, reply);
    case "trigger":
      return trigger(command, client, context, reply);
    case "close":
      return close(command, client, context, reply);
    case "idle":
      return reply({ ok: true });
  }
}
