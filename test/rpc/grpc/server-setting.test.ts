import { once } from "node:events";
import { connect, constants, type Settings } from "node:http2";
import { HTTP2_LIMITS } from "../../../src/http2/http2-limits.js";
import { cleanUp } from "../../support/clean-up.js";
import { grpcServer } from "../../support/nodes/grpc-mount.js";
import { recordLog } from "../../support/nodes/log-records.js";
import { startNode } from "../../support/nodes/node.js";

/** Tells the server of a gRPC port by the settings that it sends: Node's has another window. */
async function serverAt(address: string): Promise<"grpc-js" | "native"> {
  const session = connect(`http://${address}`);
  cleanUp(() => session.destroy());
  const [{ initialWindowSize }] = (await once(session, "remoteSettings")) as [Settings];
  return initialWindowSize === HTTP2_LIMITS.streamWindow ? "native" : "grpc-js";
}

test.each(["grpc-js", "native"] as const)(
  "serves the gRPC port with the server that grpc.server names, and logs one that is not the default: %s",
  async (server) => {
    const { log, records } = recordLog();
    const { grpc } = await startNode({ grpc: { listen: "127.0.0.1:0", server } }, log);
    expect(await serverAt(grpc)).toBe(server);
    const logged = records.filter(({ msg }) => msg === "serving the gRPC port with Carillon's own HTTP/2 server");
    expect(logged.map((record) => record["server"])).toEqual(server === "grpc-js" ? [] : [server]);
  },
);

test("serves the gRPC port with the server of this project of jest.config.js", async () => {
  const { grpc } = await startNode();
  expect(await serverAt(grpc)).toBe(grpcServer);
});

test.each(["grpc-js", "native"] as const)(
  "ends a connection that has reached grpc.max_connection_age, with the server %s",
  async (server) => {
    const { grpc } = await startNode({ grpc: { listen: "127.0.0.1:0", server, max_connection_age: "1s" } });
    const session = connect(`http://${grpc}`);
    cleanUp(() => session.destroy());
    const [code] = (await once(session, "goaway")) as [number];
    expect(code).toBe(constants.NGHTTP2_NO_ERROR);
    await once(session, "close");
  },
);
