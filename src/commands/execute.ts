import type { Client } from "../clients/client.js";
import { CarillonError } from "../errors.js";
import type { Command, Reply } from "./command.js";
import { authenticate } from "./handlers/authenticate.js";
import { call } from "./handlers/call.js";
import { close } from "./handlers/close.js";
import { join } from "./handlers/join.js";
import { leave } from "./handlers/leave.js";
import { presence } from "./handlers/presence.js";
import { publish } from "./handlers/publish.js";
import { trigger } from "./handlers/trigger.js";
import type { Services } from "./services.js";

/**
 * Carries out a client's command. Resolves when the client may send the next: commands of one session take effect in
 * the order sent. Every refusal goes to `reply`; nothing is thrown.
 */
export async function execute(command: Command, client: Client, services: Services, reply: Reply): Promise<void> {
  try {
    checkAllowed(command, client, services);
    await dispatch(command, client, services, reply);
  } catch (cause) {
    reply({ ok: false, error: CarillonError.from(cause) });
  }
}

/** What whose time is up may still do until it is disconnected: say who it is, live, and go. */
const ALWAYS: ReadonlySet<Command["kind"]> = new Set(["authenticate", "idle", "close"]);

function checkAllowed(command: Command, client: Client, { clients }: Services): void {
  if (!ALWAYS.has(command.kind) && clients.isOver(client)) {
    throw new CarillonError("unauthenticated", "the token has expired");
  }
  // Who wants to go may.
  if (command.kind !== "close" && client.rates?.commands?.take(1) === false) {
    throw new CarillonError("resource_exhausted", "this client sends more commands a second than it may");
  }
}

function dispatch(command: Command, client: Client, services: Services, reply: Reply): Promise<void> | void {
  switch (command.kind) {
    case "join":
      return join(command, client, services, reply);
    case "leave":
      return leave(command, client, services, reply);
    case "publish":
      return publish(command, client, services, reply);
    case "authenticate":
      return authenticate(command, client, services, reply);
    case "call":
      return call(command, client, services, reply);
    case "presence":
      return presence(command, client, services, reply);
    case "trigger":
      return trigger(command, client, services, reply);
    case "close":
      return close(command, client, services, reply);
    case "idle":
      return reply({ ok: true });
  }
}
