import { decide } from "../../access/decide/decide.js";
import type { Principal } from "../../access/decide/principal.js";
import type { Client } from "../../clients/client.js";
import { topicProblem } from "../../core/topic-name.js";
import { CarillonError } from "../../errors.js";
import type { TaskRequest } from "../../workers/dispatch.js";
import { prepareRights } from "../checks.js";
import type { CallCommand, Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";

/** Maximum and default timeout of a call, in milliseconds. */
const MAX_TIMEOUT = 600_000;
const DEFAULT_TIMEOUT = 30_000;

/** Calls a worker. The answer comes later, and the client's next commands do not wait for it. */
export async function call(command: CallCommand, client: Client, context: CommandContext, reply: Reply): Promise<void> {
  const { event, token } = command;
  const bearer = token === undefined ? undefined : await authenticateBearer(token, client);
  await prepareRights(client, ["call"], [event], bearer && [bearer]);
  startCall(command, client, bearer ?? client.principal, context, reply);
}

/**
 * Authenticates a token for one command only. The client's principal does not change, and the token is released at once.
 * @throws CarillonError unauthenticated: the token is invalid, or the vhost has a connect hook
 */
async function authenticateBearer(token: string, client: Client): Promise<Principal> {
  // The backend decides about every user that connects, but its hook would not be called for this one.
  if (client.vhost.hooks?.isEnabled("connect") === true) {
    throw new CarillonError(
      "unauthenticated",
      "a token in a request is not accepted here: authenticate the connection",
    );
  }
  const { principal, release } = await client.vhost.authenticatorFor(client.origin.dialect).authenticate(token);
  release?.();
  if (!client.session.open) throw new CarillonError("cancelled", "the session has ended");
  return principal;
}

function startCall(
  { event, payload, timeout }: CallCommand,
  client: Client,
  principal: Principal,
  context: CommandContext,
  reply: Reply,
): void {
  checkCall({ principal, vhost: client.vhost }, event, "topics[0]");
  if (timeout !== undefined && !(timeout >= 1 && timeout <= MAX_TIMEOUT)) {
    throw new CarillonError("invalid_argument", `timeout: expected 1 to ${MAX_TIMEOUT} milliseconds, got ${timeout}`);
  }
  const task = { event, payload, timeout, principal, topic: "", wantsAnswer: true };
  context.calls.start(client.session, toTaskRequest(client, context, task), {
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
 * Checks that a client may call an event.
 * @param field - name of the command's field that holds the event, for errors
 * @throws CarillonError invalid_argument: an invalid name. permission_denied
 */
export function checkCall(
  { principal, vhost }: Pick<Client, "principal" | "vhost">,
  event: string,
  field: string,
): void {
  const problem = topicProblem(event);
  if (problem !== undefined) throw new CarillonError("invalid_argument", `${field} ${problem}`);
  const { allowed } = decide({ action: "call", topic: event, principal, rules: vhost.rulesFor(event) });
  if (!allowed) throw new CarillonError("permission_denied", `this client may not call ${JSON.stringify(event)}`);
}

interface ClientTask extends Pick<TaskRequest, "event" | "payload" | "topic" | "wantsAnswer"> {
  /** Principal that the worker sees as the caller. Default: the client's. */
  readonly principal?: Principal;
  /** Milliseconds until the deadline. */
  readonly timeout?: number | undefined;
}

/** Creates the task of a client's command. */
export function toTaskRequest(
  client: Client,
  { clock }: CommandContext,
  { principal = client.principal, timeout = DEFAULT_TIMEOUT, ...task }: ClientTask,
): TaskRequest {
  const { session, vhost } = client;
  return {
    vhost: vhost.name,
    connectionId: session.id,
    user: principal.user ?? "",
    info: principal.info,
    deadline: clock.now() + timeout,
    ...task,
  };
}
