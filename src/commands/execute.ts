import type { Session } from "../core/session.js";
import { CarillonError } from "../errors.js";
import type { Command, Reply } from "./command.js";
import { join } from "./join.js";
import { leave } from "./leave.js";
import { publish } from "./publish.js";
import type { Services } from "./services.js";

/**
 * Carries out a client's command. Resolves when the client may send the next: commands of one session take effect in
 * the order sent. Every refusal goes to `reply`; nothing is thrown.
 */
export async function execute(command: Command, session: Session, services: Services, reply: Reply): Promise<void> {
  try {
    await dispatch(command, session, services, reply);
  } catch (cause) {
    reply({ ok: false, error: CarillonError.from(cause) });
  }
}

function dispatch(command: Command, session: Session, services: Services, reply: Reply): Promise<void> | void {
  switch (command.kind) {
    case "join":
      return join(command, session, services, reply);
    case "leave":
      return leave(command, session, services, reply);
    case "publish":
      return publish(command, session, services, reply);
    case "call":
    case "presence":
    case "authenticate":
      throw new CarillonError("unimplemented", `this server does not offer ${command.kind} yet`);
  }
}
