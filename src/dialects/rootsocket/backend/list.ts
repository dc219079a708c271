import type { ConnectionInfo } from "../../../control/connection-info.js";
import type { Connections, PartialAnswer } from "../../../control/connections.js";
import type { Page } from "../../../control/pagination.js";
import { CarillonError } from "../../../errors.js";
import type { RestCall } from "./call.js";
import { toConnectionEntry } from "./connection.js";
import { write } from "./writing.js";

/** Number of connections of a page, the largest that is allowed. */
const PAGE_SIZE = 1_000;

/** Header that names the nodes that did not answer. Their connections are missing from the list. */
export const MISSING_NODES = "carillon-missing-nodes";

/** Writes the vhost's connections on all nodes, page by page to bound memory. */
export async function listConnections(connections: Pick<Connections, "list">, call: RestCall): Promise<void> {
  const { answerLease, backend, response } = call;
  const read = (pageToken: string): Promise<PartialAnswer<Page<ConnectionInfo>>> =>
    connections.list(backend, { user: "", topic: "", pageSize: PAGE_SIZE, pageToken });
  let { missingNodes: missing, value: result } = await read("");
  const missingAtFirst = new Set(missing);
  if (missing.length > 0) response.setHeader(MISSING_NODES, missing.join(", "));
  response.writeHead(200, { "content-type": "application/json" });
  await write(response, "[");
  for (let page = 0; ; page += 1) {
    const entries = result.items.map((facts) => JSON.stringify(toConnectionEntry(facts, null))).join(",");
    const separator = page > 0 && entries !== "" ? "," : "";
    // Pages are sequential: each begins where the previous one ended.
    // oxlint-disable-next-line no-await-in-loop
    await write(response, separator + entries);
    answerLease?.spend(Buffer.byteLength(entries));
    if (result.nextPageToken === "") break;
    // oxlint-disable-next-line no-await-in-loop
    ({ missingNodes: missing, value: result } = await read(result.nextPageToken));
    const lost = missing.find((node) => !missingAtFirst.has(node));
    // The header is sent already, and the list is incomplete.
    if (lost !== undefined) throw new CarillonError("unavailable", `node ${lost} did not answer`);
  }
  await write(response, "]\n");
  response.end();
}
