import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { asBackend } from "../backend.js";
import type { BackendFlags } from "../node-options.js";
import { type ListFlags, printList } from "./print-list.js";

/** Prints the topics that have sessions, on all nodes. @param prefix - beginning of their names */
export async function topicsCommand(prefix: string | undefined, flags: BackendFlags & ListFlags): Promise<void> {
  const format = {
    what: "topics",
    head: ["TOPIC", "SESSIONS", "BROKER"],
    toRow: ({ broker, name, sessions }: ListedTopic) => [name, String(sessions), broker],
    toJson: ({ broker, name, sessions }: ListedTopic) => ({ topic: name, sessions, broker }),
  };
  await asBackend(flags, async (client) => {
    await printList(flags, format, async (page) => {
      const answer = await client.call(ControlService.method.listTopics, { prefix: prefix ?? "", ...page });
      return { ...answer, entries: answer.topics };
    });
  });
}

interface ListedTopic {
  readonly broker: string;
  readonly name: string;
  readonly sessions: number;
}
