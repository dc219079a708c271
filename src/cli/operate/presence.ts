import { type Member, PresenceService } from "../../../gen/carillon/v1/presence_pb.js";
import { asBackend } from "../backend.js";
import type { BackendFlags } from "../node-options.js";
import { formatTime } from "../terminal/format-time.js";
import { note } from "../terminal/note.js";
import { type ListFlags, printList } from "./print-list.js";

export interface PresenceFlags extends BackendFlags, ListFlags {
  readonly brokerName?: string;
}

const FORMAT = {
  head: ["CONNECTION", "USER", "JOINED", "INFO"],
  toRow: ({ connectionId, infoJson, joined, user }: Member) => [connectionId, user, formatTime(joined), infoJson],
  toJson: ({ connectionId, infoJson, joined, user }: Member) => ({
    connection: connectionId,
    ...(user !== "" && { user }),
    ...(infoJson !== "" && { info: JSON.parse(infoJson) as unknown }),
    joined: formatTime(joined),
  }),
};

/** Prints the members of a topic, on all nodes, and on stderr their number. */
export async function presenceCommand(topic: string, flags: PresenceFlags): Promise<void> {
  const { brokerName: broker = "" } = flags;
  await asBackend(flags, async (client) => {
    let totals = "";
    await printList(flags, FORMAT, async (page) => {
      const answer = await client.call(PresenceService.method.getPresence, { topic, broker, ...page });
      totals = `connections: ${answer.count}, users: ${answer.users}`;
      return { ...answer, entries: answer.members };
    });
    note(totals);
  });
}
