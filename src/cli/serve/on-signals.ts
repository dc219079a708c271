import type { Logger } from "../../observe/log.js";
import { logRefusedReload } from "../../server/reload-node.js";
import { ignore } from "../../util/ignore.js";
import { EXIT, fail } from "../exit-code.js";

/**
 * Milliseconds within which a second SIGINT counts as the same key press: a terminal sends Ctrl+C to every process of
 * its group, and npm forwards it again.
 */
const SAME_KEY_PRESS = 100;

export interface SignalActions {
  /** Stops everything gracefully. */
  readonly stop: () => Promise<void>;
  /** Reads the configuration again. */
  readonly reload: () => Promise<unknown>;
  /** Ends other processes at once, because this one exits. */
  readonly kill: () => void;
}

/**
 * Ends the program at the signals that stop it, while it starts what {@link onSignals} needs.
 * @param kill - ends other processes at once
 * @returns a function that stops listening to the signals
 */
export function onEarlySignals(kill: () => void): () => void {
  const onSignal = (): void => {
    kill();
    process.exit(EXIT.failed);
  };
  // On a terminal, SIGHUP stops the node.
  const signals: readonly NodeJS.Signals[] = [
    "SIGTERM",
    "SIGINT",
    ...(process.stdout.isTTY ? ["SIGHUP" as const] : []),
  ];
  for (const signal of signals) process.once(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

/** Stops at SIGTERM and SIGINT, exits at once at a second one, and reloads at SIGHUP. */
export function onSignals(log: Logger, { kill, reload, stop }: SignalActions): void {
  let stoppedAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stoppedAt !== undefined) {
      if (signal === "SIGINT" && performance.now() - stoppedAt < SAME_KEY_PRESS) return;
      kill();
      process.exit(EXIT.failed);
    }
    stoppedAt = performance.now();
    log.info({ signal }, "stopping; a second signal exits immediately");
    stop().then(
      () => process.exit(),
      (error: unknown) => {
        fail(error);
        process.exit();
      },
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  const onReload = (): void => {
    logRefusedReload(log, reload()).catch(ignore);
  };
  // The end of a terminal ends the programs that it runs.
  process.on("SIGHUP", process.stdout.isTTY ? onSignal : onReload);
}
