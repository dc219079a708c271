import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { CarillonError } from "../../errors.js";
import { asBackend } from "../backend.js";
import { EXIT, fail } from "../exit-code.js";
import type { BackendFlags } from "../node-options.js";
import { note } from "../terminal/note.js";
import { escapeControls } from "../terminal/print.js";

/** Time for a node to apply changes to all of its clients, in milliseconds. */
const TIMEOUT = 60_000;

/** Codes of an unusable configuration, such as one with a file that cannot be read. */
const REFUSALS: ReadonlySet<string> = new Set([
  "invalid_argument",
  "failed_precondition",
  "already_exists",
  "resource_exhausted",
]);

/** Has a node read its configuration again, and prints the changed settings and those that need a restart. */
export async function reloadCommand(flags: BackendFlags): Promise<void> {
  await asBackend(flags, async (client) => {
    try {
      const { changed, restart } = await client.call(ControlService.method.reload, {}, TIMEOUT);
      for (const path of changed) process.stdout.write(`changed: ${escapeControls(path)}\n`);
      for (const path of restart) process.stdout.write(`needs a restart: ${escapeControls(path)}\n`);
      if (changed.length + restart.length === 0) note("no setting has changed");
    } catch (error) {
      if (!(error instanceof CarillonError && REFUSALS.has(error.code))) throw error;
      fail(`nothing has changed, because the configuration is invalid:\n${error.message}`, EXIT.usage);
    }
  });
}
