import { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { PATIENCE } from "./patience.js";

type CleanUp = () => unknown;

const pending: CleanUp[] = [];

/** Registers a function that runs after the test in any case. The last registered runs first. */
export function cleanUp(run: CleanUp): void {
  pending.push(run);
}

/** Resources that a test must not leave behind: connections, listening ports, child processes. */
const LEAKS = ["TCPSocketWrap", "TCPServerWrap", "ProcessWrap"];
/** Pause between two looks, in milliseconds. Without it, the wait would take the processor from what it waits for. */
const LOOK_INTERVAL = 10;

afterEach(async () => {
  const failures: unknown[] = [];
  for (let run = pending.pop(); run !== undefined; run = pending.pop()) {
    try {
      await run();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw failures[0];
});

afterAll(async () => {
  // Both sides have to notice the ends of connections.
  const end = Date.now() + PATIENCE;
  while (leaks().length > 0 && Date.now() < end) await pause(LOOK_INTERVAL);
  if (leaks().length > 0) throw new Error(`the tests left behind: ${[...leaks(), ...openSockets()].join(", ")}`);
});

function leaks(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => LEAKS.includes(kind));
}

/** Describes the open sockets, so that their owner can be found. Node lists them for debugging only, by an undocumented method. */
function openSockets(): string[] {
  const { _getActiveHandles: list } = process as unknown as { readonly _getActiveHandles?: () => unknown[] };
  return (list?.call(process) ?? [])
    .filter((handle) => handle instanceof Socket && handle.remotePort !== undefined)
    .map((handle) => {
      const { bytesRead, bytesWritten, localPort, readyState, remotePort } = handle as Socket;
      return `port ${localPort} to ${remotePort}, ${readyState}, ${bytesRead} bytes read, ${bytesWritten} written`;
    });
}
