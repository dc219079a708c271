import { decide } from "../access/decide.js";
import type { Client } from "../clients/client.js";
import { topicFault } from "../core/topic-name.js";
import { CarillonError } from "../errors.js";
import type { TaskRequest } from "../workers/dispatch.js";
import type { CallCommand, Reply } from "./command.js";
import type { Services } from "./services.js";

/** What a call may take, in milliseconds. */
const MAX_TIMEOUT = 600_000;
const DEFAULT_TIMEOUT = 30_000;

/**
 * Asks a worker. The answer comes when it comes: the client may send its next commands meanwhile, and whether it goes on
 * waiting is its connection's affair.
 */
export function call(command: CallCommand, client: Client, services: Services, reply: Reply): void {
  const { event, payload, timeout } = command;
  checkCall(client, event, "topics[0]");
  if (timeout !== undefined && !(timeout >= 1 && timeout <= MAX_TIMEOUT)) {
    throw new CarillonError("invalid_argument", `timeout: ${timeout} is not from 1 to ${MAX_TIMEOUT} milliseconds`);
  }
  const request = taskOf(client, services, { event, payload, timeout, topic: "", wantsAnswer: true });
  services.calls.ask(client.session, request, {
    onTaken: () => {},
    onPart: (part, more) => {
      reply({ ok: true, result: { kind: "part", payload: part, more } });
    },
    onFailed: (error) => {
      reply({ ok: false, error });
    },
  });
}

/**
 * @param called - what the client has called the event
 * @throws CarillonError invalid_argument: no name of an event. permission_denied
 */
export function checkCall({ principal, vhost }: Client, event: string, called: string): void {
  const fault = topicFault(event);
  if (fault !== undefined) throw new CarillonError("invalid_argument", `${called} ${fault}`);
  const { allowed } = decide({ action: "call", topic: event, principal, rules: vhost.rulesFor(event) });
  if (!allowed) throw new CarillonError("permission_denied", `this client may not call ${JSON.stringify(event)}`);
}

/** What is asked on a client's behalf. */
export function taskOf(
  { principal, session, vhost }: Client,
  { clock }: Services,
  {
    timeout = DEFAULT_TIMEOUT,
    ...task
  }: Pick<TaskRequest, "event" | "payload" | "topic" | "wantsAnswer"> & {
    /** In milliseconds. */
    readonly timeout?: number | undefined;
  },
): TaskRequest {
  return {
    ...task,
    vhost: vhost.name,
    connectionId: session.id,
    user: principal.user ?? "",
    info: principal.info,
    deadline: clock.now() + timeout,
  };
}
