import { type Carillon, type ConfigInput, createCarillon } from "../../../src/index.js";
import { createLog, type Logger } from "../../../src/observe/log.js";
import { cleanUp } from "../clean-up.js";
import { grpcServer } from "./grpc-mount.js";

export interface TestNode {
  readonly carillon: Carillon;
  /** `http://127.0.0.1:PORT` */
  readonly http: string;
  /** `ws://127.0.0.1:PORT` */
  readonly ws: string;
  /** `127.0.0.1:PORT` of gRPC */
  readonly grpc: string;
}

const SILENT = createLog({ level: "silent", format: "json" });

/**
 * Settings of nodes in tests, unless a test has its own. A connection's first ping comes at any time within the interval: with
 * the default of 25 s it would be the next frame of a test now and then.
 */
const DEFAULTS = {
  http: "127.0.0.1:0",
  stop_timeout: "5s",
  ping: { interval: "1h" },
} satisfies ConfigInput;

/** Starts a node in this process on free ports; it is stopped after the test. */
export async function startNode(config: ConfigInput = {}, log: Logger = SILENT): Promise<TestNode> {
  const { grpc = "127.0.0.1:0" } = config;
  const port = typeof grpc === "string" ? { listen: grpc, server: grpcServer } : grpc;
  const carillon = createCarillon({ ...DEFAULTS, ...config, grpc: port }, log);
  cleanUp(() => carillon.stop());
  await carillon.start();
  const { addresses } = carillon;
  if (addresses === undefined) throw new Error("the node has no addresses");
  return { carillon, http: addresses.http, ws: addresses.http.replace("http", "ws"), grpc: addresses.grpc };
}
