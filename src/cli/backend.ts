import { readFileSync } from "node:fs";
import { BackendClient } from "../outbound/backend/backend-client.js";
import { fail } from "./exit-code.js";
import type { BackendFlags } from "./node-options.js";

/** Calls a node as a backend. Prints an error and sets the exit code if that fails. */
export async function asBackend(flags: BackendFlags, run: (client: BackendClient) => Promise<void>): Promise<void> {
  const { ca, key, server, vhost } = flags;
  let client: BackendClient | undefined;
  try {
    client = new BackendClient({
      url: server,
      key,
      vhost,
      ca: ca === undefined ? undefined : readFileSync(ca),
    });
    await run(client);
  } catch (error) {
    fail(error);
  } finally {
    client?.close();
  }
}
