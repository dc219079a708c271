import type { Client } from "../../clients/client.js";
import { CarillonError } from "../../errors.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { TaskRequest } from "../../workers/dispatch.js";
import { prepareRights } from "../checks.js";
import type { Reply, TriggerCommand } from "../command.js";
import type { CommandContext } from "../command-context.js";
import { checkCall, toTaskRequest } from "./call.js";

/** Gives a worker something to do. Answered when it waits for a worker, or has one. */
export async function trigger(command: TriggerCommand, client: Client, context: CommandContext, reply: Reply) {
  const { event, payload } = command;
  await prepareRights(client, ["call"], [event]);
  checkCall(client, event, "event");
  await startTask(client, { event, payload, topic: "" }, context);
  reply({ ok: true });
}

/**
 * Resolves when the task waits for a worker, or has one. What becomes of it nobody waits for: the log is told.
 * @throws CarillonError unavailable, resource_exhausted
 */
export function startTask(
  client: Client,
  task: Pick<TaskRequest, "event" | "payload" | "topic">,
  context: CommandContext,
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
      if (taken) context.onUndone(client.vhost.name, task.event, error);
      else reject(error);
    },
  };
  try {
    context.calls.ask(client.session, toTaskRequest(client, context, { ...task, wantsAnswer: false }), asker);
  } catch (error) {
    // As many are under way as may be.
    reject(CarillonError.from(error));
  }
  return promise;
}
