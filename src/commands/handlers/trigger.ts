import type { Client } from "../../clients/client.js";
import { CarillonError } from "../../errors.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { TaskRequest } from "../../workers/dispatch.js";
import { prepareRights } from "../checks.js";
import type { Reply, TriggerCommand } from "../command.js";
import type { CommandContext } from "../command-context.js";
import { checkCall, toTaskRequest } from "./call.js";

/** Starts a task. Answers when the task waits for a worker or has one. */
export async function trigger(command: TriggerCommand, client: Client, context: CommandContext, reply: Reply) {
  const { event, payload } = command;
  await prepareRights(client, ["call"], [event]);
  checkCall(client, event, "event");
  await startTrigger(client, { event, payload, topic: "" }, context);
  reply({ ok: true });
}

/**
 * Starts a task. Resolves when the task waits for a worker or has one. A later failure is logged.
 * @throws CarillonError unavailable, resource_exhausted
 */
export function startTrigger(
  client: Client,
  task: Pick<TaskRequest, "event" | "payload" | "topic">,
  context: CommandContext,
): Promise<void> {
  const { promise, reject, resolve } = withResolvers<void>();
  let taken = false;
  const caller = {
    onTaken: () => {
      taken = true;
      resolve();
    },
    onPart: () => {
      resolve();
    },
    onFailed: (error: CarillonError) => {
      if (taken) context.onTaskFailed(client.vhost.name, task.event, error);
      else reject(error);
    },
  };
  try {
    context.calls.start(client.session, toTaskRequest(client, context, { ...task, wantsAnswer: false }), caller);
  } catch (error) {
    // The connection has reached its limit of tasks.
    reject(CarillonError.from(error));
  }
  return promise;
}
