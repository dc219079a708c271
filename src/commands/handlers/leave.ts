import { NO_INFO } from "../../access/decide/info.js";
import type { Client } from "../../clients/client.js";
import { checkMembership, findMembership, parseTopics } from "../checks.js";
import type { LeaveCommand, Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";
import { exit } from "../exit.js";

/**
 * Leaves topics. Topics that the client is not in are ignored, or refused if the command is strict. Works even while the
 * broker is disconnected.
 */
export function leave(command: LeaveCommand, client: Client, context: CommandContext, reply: Reply): void {
  const { broker, leaveInfo, strict } = command;
  const topics = parseTopics(command.topics);
  if (strict === true) for (const topic of topics) checkMembership(client, broker, topic, context);
  for (const name of leaveInfo === undefined ? [] : topics) {
    const topic = findMembership(client, broker, name, context);
    if (topic !== undefined) context.attendance.setLeaveInfo(client.session, topic, leaveInfo ?? NO_INFO);
  }
  exit(client, broker, topics, context);
  reply({ ok: true });
}
