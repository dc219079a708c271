import type { Client } from "../../clients/client.js";
import { CarillonError } from "../../errors.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { TaskRequest } from "../../workers/dispatch.js";
import type { Reply, TriggerCommand } from "../command.js";
import { rightsAhead } from "../rights.js";
import type { Services } from "../services.js";
import { checkCall, toTaskRequest } from "./call.js";

/** Gives a worker something to do. Answered when it waits for a worker, or has one. */
export async function trigger(command: TriggerCommand, client: Client, services: Services, reply: Reply) {
  const { event, payload } = command;
  await rightsAhead(client, ["call"], [event]);
  checkCall(client, event, "event");
  await started(client, { event, payload, topic: "" }, services);
  reply({ ok: true });
}

/**
 * Resolves when the task waits for a worker, or has one. What becomes of it nobody waits for: the log is told.
 * @throws CarillonError unavailable, resource_exhausted
 */
export function started(
  client: Client,
  task: Pick<TaskRequest, "event" | "payload" | "topic">,
  services: Services,
): Promise<void> {
  const { promise, reject, resolve } = withResolvers<void>();
  let taken = false;
  const asker = {
    onTaken: () => {
      taken = true;
      resolve();
    },
    onPart: () => {
      resolve();
    },
    onFailed: (error: CarillonError) => {
      if (taken) services.onUndone(client.vhost.name, task.event, error);
      else reject(error);
    },
  };
  try {
    services.calls.ask(client.session, toTaskRequest(client, services, { ...task, wantsAnswer: false }), asker);
  } catch (error) {
    // As many are under way as may be.
    reject(CarillonError.from(error));
  }
  return promise;
}
