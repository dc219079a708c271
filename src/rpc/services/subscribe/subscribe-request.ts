import type { SubscribeStreamRequest } from "../../../../gen/carillon/v1/subscribe_pb.js";
import type { Backend } from "../../../access/keys/backend.js";
import type { ReplayRequest } from "../../../commands/command.js";
import { checkTopics } from "../../../control/checks.js";
import { CarillonError, invalidArgument } from "../../../errors.js";
import { toMilliseconds } from "../../values.js";
import { checkLimit, checkPosition, MAX_MESSAGES } from "../history/history-messages.js";

/** Checked request for a stream. */
export interface StreamRequest {
  readonly broker: string;
  readonly topics: ReadonlySet<string>;
  readonly replay: ReplayRequest;
}

/**
 * Checks a request, and the rights of the backend.
 * @throws CarillonError invalid_argument, permission_denied; resource_exhausted: the check would take too long
 */
export async function readSubscribeRequest(request: SubscribeStreamRequest, backend: Backend): Promise<StreamRequest> {
  const { broker } = request;
  await checkTopics(backend, request.topics);
  const topics = new Set(request.topics);
  return { broker, topics, replay: { recover: readPositions(request, topics), latest: readRewind(request, backend) } };
}

function readPositions({ recover }: SubscribeStreamRequest, topics: ReadonlySet<string>): ReadonlyMap<string, string> {
  const positions = new Map(Object.entries(recover));
  for (const [topic, position] of positions) {
    const field = `recover[${JSON.stringify(topic)}]`;
    if (!topics.has(topic)) throw invalidArgument(`${field}: not among the topics of the request`);
    if (position === "") throw invalidArgument(`${field}: a position is required`);
    checkPosition(field, position);
  }
  return positions;
}

function readRewind({ rewind }: SubscribeStreamRequest, { actions, name }: Backend): ReplayRequest["latest"] {
  if (rewind === undefined) return undefined;
  const limit = checkLimit("rewind.limit", rewind.limit) || MAX_MESSAGES;
  const since = toMilliseconds("rewind.since", rewind.since);
  if (actions.has("history")) return { limit, since };
  throw new CarillonError("permission_denied", `rewind: key ${JSON.stringify(name)} lacks the action "history"`);
}
