import { Stage } from "../../../../gen/websockets/v1/websockets_pb.js";
import type { Receipt, Stage as StageName } from "../../../core/message.js";
import type { PublishReceipt, PublishResponse } from "./broadcast-codec.js";

/**
 * Maximum number of stored topics that one response lists. A request may have 65,536 topics, which would take long to encode
 * (rule O12), and gRPC clients accept 4 MiB by default.
 */
const MAX_LISTED_TOPICS = 10_000;

/** Converts the receipts of a request. */
export function toResponse(receipts: readonly Receipt[]): PublishResponse {
  let left = MAX_LISTED_TOPICS;
  return {
    ok: true,
    receipts: receipts.map((receipt) => {
      const converted = toPublishReceipt(receipt, left);
      left -= converted.topics?.length ?? 0;
      return converted;
    }),
  };
}

/** @param limit - a receipt with more stored topics lists none of them */
function toPublishReceipt({ id, stage: name, stored }: Receipt, limit: number): PublishReceipt {
  const stage = name === undefined ? Stage.UNSPECIFIED : STAGES[name];
  if (stored === undefined || stored.size === 0) return { id, stage };
  const topics = [...stored].map(([topic, { duplicate, position }]) => ({ topic, position, duplicate }));
  const duplicate = topics.every((one) => one.duplicate);
  if (topics.length === 1) return { id, stage, position: topics[0]?.position, duplicate };
  return topics.length > limit ? { id, stage, duplicate } : { id, stage, duplicate, topics };
}

const STAGES: Readonly<Record<StageName, Stage>> = {
  accepted: Stage.ACCEPTED,
  flushed: Stage.FLUSHED,
  stored: Stage.STORED,
};
