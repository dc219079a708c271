import type { Client } from "../../clients/client.js";
import type { CloseCommand, Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";

/** Normal closure. Source: RFC 6455 §7.4.1. */
const NORMAL = { code: 1_000, text: "" };

/** Ends the connection at the client's request, after the answer. */
export function close({ leaveInfo }: CloseCommand, client: Client, context: CommandContext, reply: Reply): void {
  const { attendance, clients } = context;
  const { session } = client;
  if (leaveInfo !== undefined) attendance.setLeaveInfo(session, undefined, leaveInfo);
  reply({ ok: true });
  clients.disconnect(client, NORMAL);
}
