import type { ClientOptions } from "../../../client/src/index.js";
import { createTestServer, type TestServerOptions } from "../../../client/src/testing/index.js";
import { ManualClock } from "../manual-clock.js";
import { openClient, recordSockets } from "./world.js";

/** Without pings, whose answers would have no time to arrive when a test advances its clock. */
export const QUIET = { pingInterval: Number.POSITIVE_INFINITY, random: () => 0.5 };

/** A client of a server double on a clock of the test. */
export function openDouble(options: ClientOptions = {}, serverOptions: TestServerOptions = {}) {
  const server = createTestServer({ authenticate: () => "eve", ...serverOptions });
  const clock = new ManualClock();
  const recorded = recordSockets(server.webSocket);
  const world = { url: server.url, webSocket: recorded.webSocket };
  const client = openClient(world, { clock, ...QUIET, ...options });
  return { client, clock, server, ...recorded };
}
