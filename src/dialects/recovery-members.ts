import type { JoinedReplay } from "../commands/command.js";
import type { RecoveryFailure } from "../core/history.js";

/** Returns the members of an answer that tell the positions of a join (rule W24). Empty ones are left out. */
export function toRecoveryMembers(replays: ReadonlyMap<string, JoinedReplay>) {
  const positions: Record<string, string> = {};
  const recovered: Record<string, boolean> = {};
  const reasons: Record<string, RecoveryFailure> = {};
  for (const [topic, { failure, position, requested }] of replays) {
    if (position !== undefined) positions[topic] = position;
    if (requested) recovered[topic] = failure === undefined;
    if (failure !== undefined) reasons[topic] = failure;
  }
  return {
    positions,
    ...(Object.keys(recovered).length > 0 && { recovered }),
    ...(Object.keys(reasons).length > 0 && { reasons }),
  };
}
