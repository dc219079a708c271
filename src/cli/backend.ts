import { readFileSync } from "node:fs";
import { BackendClient } from "../outbound/backend-client.js";
import { fail } from "./exit-code.js";

/** Options of the commands that call a node as a backend. */
export interface BackendFlags {
  readonly server: string;
  readonly key?: string;
  readonly vhost?: string;
  readonly tls?: true;
  readonly ca?: string;
}

/** Calls a node as a backend. Prints an error and sets the exit code if that fails. */
export async function asBackend(flags: BackendFlags, run: (client: BackendClient) => Promise<void>): Promise<void> {
  let client: BackendClient | undefined;
  try {
    client = new BackendClient({
      address: flags.server,
      key: flags.key ?? process.env["CARILLON_KEY"],
      vhost: flags.vhost,
      tls: flags.tls === true || flags.ca !== undefined ? { ca: readAuthority(flags.ca) } : undefined,
    });
    await run(client);
  } catch (error) {
    fail(error);
  } finally {
    client?.close();
  }
}

function readAuthority(file: string | undefined): Buffer | undefined {
  return file === undefined ? undefined : readFileSync(file);
}
