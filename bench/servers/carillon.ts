import { type Carillon, type ConfigInput, createCarillon } from "../../src/index.js";
import { answer } from "../support/child.js";
import { LOOP_WATCH } from "../support/loop-watch.js";
import { PROFILER } from "../support/profiler.js";

/** Runs an ordinary Carillon node that logs errors only. */
let node: Carillon | undefined;

answer({
  ...PROFILER,
  ...LOOP_WATCH,

  async start(config: ConfigInput) {
    node = createCarillon({ http: "127.0.0.1:0", grpc: "127.0.0.1:0", log: { level: "error" }, ...config });
    await node.start();
    const { addresses } = node;
    return {
      port: Number(new URL(addresses?.http ?? "").port),
      grpc: addresses?.grpc,
      webrocketAdmin: addresses?.webrocketAdmin,
    };
  },
});
