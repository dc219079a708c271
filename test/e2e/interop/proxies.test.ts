import { findFreePorts } from "../../../bench/support/ports.js";
import { SubscribeService } from "../../../gen/carillon/v1/subscribe_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { InteropClient, interopMissing, SUCCESS } from "../../support/backends/interop-client.js";
import { connect } from "../../support/clients/native.js";
import { hostOfNode, PROXIES, type ProxyName, proxyMissing, startProxy } from "../../support/deploy/proxies.js";
import { startNode } from "../../support/nodes/node.js";

/** Calls the gRPC port with grpc-go through the proxies of deploy/proxies/. */

const { publish, publishStream } = BroadcastService.method;
const { subscribe } = SubscribeService.method;

const HELLO = { messages: [{ topics: ["hello"], text: "Hello" }] };

const LARGE = Buffer.alloc(500_000, "x");

/** Starts a node, a proxy and a client. Resolves when the proxy has found the node. */
async function start(name: ProxyName) {
  const [http = 0, grpc = 0] = await findFreePorts(2);
  const host = hostOfNode(1);
  // The other two nodes do not exist.
  const node = await startNode({
    http: `${host}:${http}`,
    grpc: `${host}:${grpc}`,
    trusted_proxies: ["127.0.0.1"],
  });
  const { caFile, grpcPort } = await startProxy(name, { http, grpc });
  const client = new InteropClient("grpc-go", `127.0.0.1:${grpcPort}`, { caFile });
  // A proxy needs some calls or seconds to find out which nodes exist.
  for (let succeeded = 0; succeeded < 50; ) {
    const result = await client.repeat(publish, HELLO, 50, 10);
    ({ succeeded } = result);
    expect(result.failure.status).toBe(succeeded < 50 ? 14 : 0);
  }
  return { client, node };
}

for (const name of PROXIES) {
  const missing = proxyMissing(name) ?? interopMissing("grpc-go");
  const group = missing === undefined ? describe : describe.skip;

  group(`${name}${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
    test("passes on unary calls and streams, large messages, and compressed ones", async () => {
      const { client, node } = await start(name);
      expect(await client.repeat(publish, HELLO, 500, 50)).toEqual({ succeeded: 500, failure: SUCCESS });

      const listener = await connect(`${node.ws}/ws`);
      await listener.join("large");
      const subscription = client.open(subscribe);
      subscription.send({ topics: ["large"] });
      subscription.end();
      expect(await subscription.next()).toMatchObject({ subscribed: {} });
      const stream = client.open(publishStream);
      for (let count = 0; count < 10; count += 1) {
        stream.send({ messages: [{ topics: ["large"], payload: LARGE }] });
        expect(await stream.next()).toMatchObject({ ok: true });
        expect((await subscription.next())?.messages[0]?.payload).toHaveLength(LARGE.length);
        expect((await listener.next()).payload).toHaveLength(LARGE.length);
      }
      stream.end();
      expect(await stream.next()).toBeUndefined();
      expect(await stream.ended).toEqual(SUCCESS);
      subscription.cancel();
      expect(await subscription.ended).toMatchObject({ status: 1 });

      expect(await client.call(publish, HELLO, { compression: "gzip" })).toMatchObject(SUCCESS);
    });

    // Caddy ends answers without headers ("Trailers-Only") with an empty DATA frame at times, which clients refuse.
    const errors = name === "caddy" ? describe.skip : describe;
    errors("errors", () => {
      test("passes on the status and the details, also before the end of the request", async () => {
        const { client } = await start(name);
        const messages = Array.from({ length: 9 }, () => ({ topics: ["large"], payload: LARGE }));
        for (let count = 0; count < 10; count += 1) {
          expect(await client.call(publish, { messages: [{ topics: ["no space"] }] })).toMatchObject({
            status: 3,
            detail: { type: "google.rpc.BadRequest", field: "messages[0].topics[0]" },
          });
          expect(await client.call(publish, { messages })).toMatchObject({ status: 8 });
          expect(await client.call({ ...publish, name: "Unknown" }, HELLO)).toMatchObject({ status: 12 });
        }
      });
    });
  });
}
