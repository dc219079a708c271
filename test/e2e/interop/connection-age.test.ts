import { SubscribeService } from "../../../gen/carillon/v1/subscribe_pb.js";
import { Health } from "../../../gen/grpc/health/v1/health_pb.js";
import { CallAuthorizer } from "../../../src/rpc/call-authorizer.js";
import { GrpcHttp2Mount } from "../../../src/rpc/grpc-http2/grpc-http2-mount.js";
import type { RpcCall } from "../../../src/rpc/service.js";
import { SUBSCRIBE_ACTIONS } from "../../../src/rpc/services/subscribe/subscribe.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { everybody } from "../../rpc/support/keys.js";
import {
  INTEROP_LIBRARIES,
  InteropClient,
  type InteropLibrary,
  interopMissing,
  SUCCESS,
} from "../../support/backends/interop-client.js";
import { cleanUp } from "../../support/clean-up.js";
import { ampleBudget } from "../../support/nodes/byte-budget.js";

/** Ends connections of `grpc.server: native` by age, while published libraries make calls on them. */

/** Milliseconds after which a connection ends. */
const MAX_AGE = 100;

/**
 * Texts with which a library fails calls that wait in its own queue when a connection ends. It does so with the server of grpc-go,
 * too.
 */
const OWN_FAILURES: Readonly<Partial<Record<InteropLibrary, readonly string[]>>> = {
  tonic: ["operation was canceled", "transport error"],
};

/** Outcome of repeated calls of which none has failed. */
const ALL = { failure: SUCCESS, succeeded: 200 };

/** Starts a mount whose subscriptions stay open until they are cancelled. */
async function startMount() {
  let connections = 0;
  const implementation = {
    async *subscribe(_request: object, { signal }: RpcCall) {
      yield { subscribed: {} };
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve());
      });
    },
  };
  const mount = new GrpcHttp2Mount({
    port: { address: { host: "127.0.0.1", port: 0 } },
    budget: ampleBudget(),
    services: [{ service: SubscribeService, implementation, actions: SUBSCRIBE_ACTIONS }],
    authorizer: new CallAuthorizer(everybody(), systemClock),
    requestBytes: 4_096,
    onFault: (cause) => {
      throw cause;
    },
    onFirstBytes: () => {
      connections += 1;
    },
    maxAge: MAX_AGE,
  });
  cleanUp(() => mount.close());
  cleanUp(() => mount.terminate());
  const { port } = await mount.listen();
  return { address: `127.0.0.1:${port}`, connections: () => connections };
}

for (const library of INTEROP_LIBRARIES) {
  const missing = interopMissing(library);
  const group = missing === undefined ? describe : describe.skip;

  group(`${library}${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
    test("loses no call when connections end by age, and moves new calls to new connections", async () => {
      const { address, connections } = await startMount();
      const client = new InteropClient(library, address);
      const stream = client.open(SubscribeService.method.subscribe);
      stream.send({});
      stream.end();
      expect(await stream.next()).toMatchObject({ subscribed: {} });
      while (connections() < 8) {
        const { failure, succeeded } = await client.repeat(Health.method.check, {}, 200, 16);
        const isExpected = OWN_FAILURES[library]?.includes(failure.message) === true;
        expect(isExpected ? ALL : { failure, succeeded }).toEqual(ALL);
      }
      // The stream is still open on the first connection.
      stream.cancel();
      expect(await stream.ended).toMatchObject({ status: 1 });
    });
  });
}
