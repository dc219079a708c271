import { relative } from "node:path";
import type { Config } from "../config/schema.js";
import { createLog } from "../observe/log.js";
import { type ConfigInput, loadConfig } from "../server/config.js";
import { Server } from "../server/server.js";
import { servesPage } from "../server/serves-page.js";
import { errorText } from "../util/native-error.js";
import { findConfigFile } from "./config-file.js";
import { EXIT, fail } from "./exit-code.js";

export interface ServeFlags {
  readonly config?: string;
  readonly http?: string;
  readonly grpc?: string;
  readonly broker?: string;
  readonly insecure?: true;
  readonly try?: true;
}

/**
 * Milliseconds within which a second SIGINT counts as the same key press: a terminal sends Ctrl+C to every process of
 * its group, and npm forwards it again.
 */
const SAME_KEY_PRESS = 100;

/** Runs a node until a signal arrives: the first one stops it gracefully, a second one exits at once. */
export async function serveCommand(flags: ServeFlags): Promise<void> {
  let config: Config;
  try {
    config = readConfig(flags);
  } catch (error) {
    fail(error, EXIT.usage);
    return;
  }
  const log = createLog(config.log);
  let server: Server;
  try {
    server = new Server(config, log, { readConfig: () => readConfig(flags) });
  } catch (error) {
    fail(error, EXIT.usage);
    return;
  }
  onSignals(server, {
    onStop: (signal) => {
      log.info({ signal }, "stopping; a second signal exits immediately");
    },
    onReload: () => {
      server.reload().catch((error: unknown) => {
        log.error({ reason: errorText(error) }, "the configuration is invalid, nothing has changed");
      });
    },
  });
  try {
    await server.start();
  } catch (error) {
    fail(error);
    process.exit();
  }
  if (flags.try === true) process.stderr.write(formatSuggestions(server, config));
}

function readConfig({ broker, config, grpc, http, insecure }: ServeFlags): Config {
  const flags: ConfigInput = {
    ...(http === undefined ? {} : { http }),
    ...(grpc === undefined ? {} : { grpc }),
    ...(insecure === undefined ? {} : { insecure }),
  };
  return loadConfig({ file: findConfigFile(config), environment: process.env, flags, broker });
}

interface SignalEvents {
  /** Called when the node begins to stop. */
  readonly onStop: (signal: NodeJS.Signals) => void;
  /** Called for the signal to read the configuration again. */
  readonly onReload: () => void;
}

function onSignals(server: Server, { onReload, onStop }: SignalEvents): void {
  let stoppedAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stoppedAt !== undefined) {
      if (signal === "SIGINT" && performance.now() - stoppedAt < SAME_KEY_PRESS) return;
      process.exit(EXIT.failed);
    }
    stoppedAt = performance.now();
    onStop(signal);
    server.stop().then(
      () => process.exit(EXIT.ok),
      (error: unknown) => {
        fail(error);
        process.exit();
      },
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  // The end of a terminal ends the programs that it runs.
  process.on("SIGHUP", process.stdout.isTTY ? onSignal : onReload);
}

/**
 * Formats commands to try the node with. The page joins the topic "hello" on its own. With TLS only the page is
 * suggested, because the certificate's authority and host name are unknown here.
 */
function formatSuggestions({ addresses, requiresKeys }: Server, config: Config): string {
  if (addresses === undefined) return "";
  const { http } = addresses;
  const body = '{"messages":[{"topics":["hello"],"text":"Hello, world"}]}';
  const key = requiresKeys ? ` -H "authorization: Bearer $CARILLON_KEY"` : "";
  const program = relative(process.cwd(), process.argv[1] ?? "");
  const page = `open ${http}/ in a browser: it listens to the topic "hello"`;
  const publish = [
    `curl ${http}/websockets.v1.BroadcastService/Publish -H 'content-type: application/json'${key} -d '${body}'`,
    `node ${program} publish --server ${http} hello 'Hello again'`,
  ];
  const ways = [...(servesPage(config) ? [page] : []), ...(config.tls === undefined ? publish : [])];
  if (ways.length === 0) return "";
  const needed = requiresKeys && config.tls === undefined ? ", with a key in the environment as CARILLON_KEY" : "";
  return `\nTry it${needed}:\n${ways.map((way, position) => `  ${position + 1}. ${way}\n`).join("")}\n`;
}
