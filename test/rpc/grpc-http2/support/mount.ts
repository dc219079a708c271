import { BroadcastService } from "../../../../gen/websockets/v1/websockets_pb.js";
import type { PortOptions } from "../../../../src/net/port-listener.js";
import { CallAuthorizer } from "../../../../src/rpc/call-authorizer.js";
import type { GrpcMountOptions } from "../../../../src/rpc/grpc/grpc-mount-options.js";
import { GrpcHttp2Mount } from "../../../../src/rpc/grpc-http2/grpc-http2-mount.js";
import { BROADCAST_ACTIONS, BroadcastImplementation } from "../../../../src/rpc/services/publish/broadcast.js";
import { systemClock } from "../../../../src/util/system-clock.js";
import { cleanUp } from "../../../support/clean-up.js";
import { ampleBudget } from "../../../support/nodes/byte-budget.js";
import { everybody } from "../../support/keys.js";
import { TestPublisher } from "../../support/publisher.js";

export interface TestHttp2Mount {
  /** HOST:PORT */
  readonly address: string;
  readonly mount: GrpcHttp2Mount;
}

export interface TestHttp2MountOptions extends Omit<Partial<GrpcMountOptions>, "port"> {
  readonly port?: Partial<PortOptions>;
}

/** Starts the gRPC port on this server's own HTTP/2, with a service that publishes. It is closed after the test. */
export async function startHttp2Mount({ port, ...options }: TestHttp2MountOptions = {}): Promise<TestHttp2Mount> {
  const mount = new GrpcHttp2Mount({
    port: { address: { host: "127.0.0.1", port: 0 }, ...port },
    services: [publishService()],
    authorizer: new CallAuthorizer(everybody(), systemClock),
    requestBytes: 4 * 1_024 * 1_024,
    budget: ampleBudget(),
    onFault: () => {},
    ...options,
  });
  cleanUp(() => mount.close());
  cleanUp(() => mount.terminate());
  const address = await mount.listen();
  mount.setServing(true);
  return { address: `127.0.0.1:${address.port}`, mount };
}

/** Service that publishes, until the end of the test. */
export function publishService(): GrpcMountOptions["services"][number] {
  const implementation = new BroadcastImplementation(new TestPublisher().publisher, () => {});
  cleanUp(() => implementation.stop());
  return { service: BroadcastService, implementation, actions: BROADCAST_ACTIONS };
}

/** Bytes of an answer of {@link bigAnswers}, at least: more than the first window of a connection. */
export const BIG_ANSWER_BYTES = 70_000;

/** Service whose answers are large. @param onCall - called at each request */
export function bigAnswers(onCall: () => void = () => {}): GrpcMountOptions["services"] {
  const receipts = [{ id: "x".repeat(BIG_ANSWER_BYTES), stage: 1 }];
  const publish = () => {
    onCall();
    return Promise.resolve({ ok: true, receipts });
  };
  const implementation = { publish, publishAsync: publish, publishStream: publish };
  return [{ service: BroadcastService, implementation, actions: BROADCAST_ACTIONS }];
}
