import { request as httpRequest } from "node:http";
import { cleanUp } from "../../support/clean-up.js";
import { metric } from "../../support/nodes/metrics.js";
import { startNode } from "../../support/nodes/node.js";
import { type ErrorCase, expectOnlySentinel, expectRowForRequestsOf, listenerOf } from "./error-case.js";

/** Half of the smallest allowed limit. */
const SHARE = 12 * 1_024 * 1_024;
const REQUEST = 4_100_000;

/** Fills nearly all of the address's limit. */
const beyondBudget: ErrorCase = async (row) => {
  const node = await startNode({ limits: { receiving: 2 * SHARE } });
  const listener = await listenerOf(node);
  for (const size of [4_100_000, 4_100_000, 4_100_000]) {
    const request = httpRequest(`${node.http}/websockets.v1.BroadcastService/Publish`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": size + 1 },
    });
    request.on("error", () => {});
    cleanUp(() => request.destroy());
    request.write(Buffer.alloc(size, " "));
  }
  while ((await metric(node, "carillon_receiving_bytes")) < 12_300_000);
  await expectRowForRequestsOf(REQUEST, row, node);
  await expectOnlySentinel(node, listener);
};

export const receivingErrors: Readonly<Record<string, ErrorCase>> = { E31: beyondBudget };
