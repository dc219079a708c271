import { dispatchContract } from "../contract/dispatch.js";
import { startNats } from "../support/nats/server.js";
import { startLocalDispatch, startNatsDispatches } from "./support.js";

dispatchContract("memory", async (options) => [await startLocalDispatch(options)]);

dispatchContract("two nodes on nats", async (options) => startNatsDispatches((await startNats()).url, 2, options));

dispatchContract("three nodes on nats", async (options) => startNatsDispatches((await startNats()).url, 3, options));
