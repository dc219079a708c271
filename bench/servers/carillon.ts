import { type Carillon, type ConfigInput, createCarillon } from "../../src/index.js";
import { answer } from "../support/child.js";
import { LOOP_WATCH } from "../support/loop-watch.js";
import { PROFILER } from "../support/profiler.js";

/** Runs an ordinary Carillon node that logs errors only. */
let node: Carillon | undefined;

/** The flag --grpc of the benchmarks sets the variable. */
const server = process.env["CARILLON_GRPC_SERVER"] === "native" ? "native" : "grpc-js";
const grpc = { listen: "127.0.0.1:0", server } satisfies ConfigInput["grpc"];

answer({
  ...PROFILER,
  ...LOOP_WATCH,

  async start(config: ConfigInput) {
    node = createCarillon({ http: "127.0.0.1:0", grpc, log: { level: "error" }, ...config });
    await node.start();
    const { addresses } = node;
    return {
      port: Number(new URL(addresses?.http ?? "").port),
      grpc: addresses?.grpc,
      webrocketAdmin: addresses?.webrocketAdmin,
    };
  },
});
