import { decide } from "../../access/decide/decide.js";
import type { Principal } from "../../access/decide/principal.js";
import type { Client } from "../../clients/client.js";
import { topicFault } from "../../core/topic-name.js";
import { CarillonError } from "../../errors.js";
import type { TaskRequest } from "../../workers/dispatch.js";
import { prepareRights } from "../checks.js";
import type { CallCommand, Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";

/** What a call may take, in milliseconds. */
const MAX_TIMEOUT = 600_000;
const DEFAULT_TIMEOUT = 30_000;

/**
 * Asks a worker. The answer comes when it comes: the client may send its next commands meanwhile, and whether it goes on
 * waiting is its connection's affair.
 */
export async function call(command: CallCommand, client: Client, context: CommandContext, reply: Reply): Promise<void> {
  const { event, token } = command;
  const bearer = token === undefined ? undefined : await bearerOf(token, client);
  await prepareRights(client, ["call"], [event], bearer && [bearer]);
  ask(command, client, bearer ?? client.principal, context, reply);
}

/**
 * The bearer of a token that counts for one command. The client stays who it is, and the token is given back at once.
 * @throws CarillonError unauthenticated: the token is refused, or the backend decides about every user that connects
 */
async function bearerOf(token: string, client: Client): Promise<Principal> {
  // Asked about connections, it would never hear of this bearer, and could not keep it out.
  if (client.vhost.hooks?.asks("connect") === true) {
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

function ask(
  { event, payload, timeout }: CallCommand,
  client: Client,
  principal: Principal,
  context: CommandContext,
  reply: Reply,
): void {
  checkCall({ principal, vhost: client.vhost }, event, "topics[0]");
  if (timeout !== undefined && !(timeout >= 1 && timeout <= MAX_TIMEOUT)) {
    throw new CarillonError("invalid_argument", `timeout: ${timeout} is not from 1 to ${MAX_TIMEOUT} milliseconds`);
  }
  const task = { event, payload, timeout, principal, topic: "", wantsAnswer: true };
  context.calls.ask(client.session, toTaskRequest(client, context, task), {
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
export function checkCall(
  { principal, vhost }: Pick<Client, "principal" | "vhost">,
  event: string,
  called: string,
): void {
  const fault = topicFault(event);
  if (fault !== undefined) throw new CarillonError("invalid_argument", `${called} ${fault}`);
  const { allowed } = decide({ action: "call", topic: event, principal, rules: vhost.rulesFor(event) });
  if (!allowed) throw new CarillonError("permission_denied", `this client may not call ${JSON.stringify(event)}`);
}

interface ClientTask extends Pick<TaskRequest, "event" | "payload" | "topic" | "wantsAnswer"> {
  /** Principal that the worker sees as the caller. Default: the client's. */
  readonly principal?: Principal;
  /** In milliseconds. */
  readonly timeout?: number | undefined;
}

/** The task that a client's command becomes. */
export function toTaskRequest(
  client: Client,
  { clock }: CommandContext,
  { principal = client.principal, timeout = DEFAULT_TIMEOUT, ...task }: ClientTask,
): TaskRequest {
  const { session, vhost } = client;
  return {
    ...task,
    vhost: vhost.name,
    connectionId: session.id,
    user: principal.user ?? "",
    info: principal.info,
    deadline: clock.now() + timeout,
  };
}
