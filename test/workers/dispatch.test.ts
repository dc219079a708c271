import { dispatchContract, type SetUpOptions } from "../contract/dispatch.js";
import { startNats } from "../support/nats/server.js";
import { patientClock, startLocalDispatch, startNatsDispatches, type TestDispatch } from "./support.js";

dispatchContract("memory", async (options) => [await startLocalDispatch(options)]);

dispatchContract("two nodes on nats", (options) => startNodes(2, options));

dispatchContract("three nodes on nats", (options) => startNodes(3, options));

async function startNodes(size: number, options?: SetUpOptions): Promise<readonly TestDispatch[]> {
  return startNatsDispatches((await startNats()).url, size, { ...options, clock: patientClock });
}
