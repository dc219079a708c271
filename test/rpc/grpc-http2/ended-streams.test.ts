import { getEventListeners } from "node:events";
import { dataFrame, rstStreamFrame } from "../../../bench/fuzz/http2-frames.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { PipelinedAnswers } from "../../../src/rpc/pipelined.js";
import type { RpcCall } from "../../../src/rpc/service.js";
import { BROADCAST_ACTIONS } from "../../../src/rpc/services/publish/broadcast.js";
import { connectHttp2 } from "../../support/raw/http2-peer.js";
import { openCallFrame, PUBLISH_STREAM, publication } from "./support/attack.js";
import { startHttp2Mount } from "./support/mount.js";

test("ends a pipeline when its caller has reset the stream before several answers", async () => {
  const stopping = new AbortController();
  const answers: ((answer: object) => void)[] = [];
  const publishStream = (requests: AsyncIterable<object>, { signal }: RpcCall) =>
    new PipelinedAnswers<object, object, undefined>(requests, {
      window: { items: 10, weight: 10 },
      weigh: () => 1,
      prepare: () => undefined,
      handle: () => new Promise<object>((resolve) => answers.push(resolve)),
      stops: [signal, stopping.signal],
    });
  const implementation = { publish: publishStream, publishAsync: publishStream, publishStream };
  const services = [{ service: BroadcastService, implementation, actions: BROADCAST_ACTIONS }];
  const { address } = await startHttp2Mount({ services });
  const peer = await connectHttp2(address);
  peer.send(openCallFrame(1, PUBLISH_STREAM), dataFrame(1, Buffer.concat([1, 2, 3].map(() => publication()))));
  await peer.ping();
  expect([answers.length, getEventListeners(stopping.signal, "abort").length]).toEqual([3, 1]);
  peer.send(rstStreamFrame(1));
  await peer.ping();
  for (const answer of answers) answer({ ok: true });
  await peer.ping();
  expect(getEventListeners(stopping.signal, "abort")).toEqual([]);
});
