import { HistoryService } from "../../../gen/carillon/v1/history_pb.js";
import { callersOf } from "../../support/backends/mounts.js";
import { publish } from "../../support/backends/publish.js";
import { becomes, startNatsNode } from "../../support/nats/node.js";
import { startJetStream } from "../../support/nats/store.js";
import { startTcpProxy } from "../../support/net/tcp-proxy.js";
import { publishAll, ROOMS_WITH_HISTORY, TestStream } from "../support/subscribe-stream.js";

const config = { vhosts: { "/": ROOMS_WITH_HISTORY } };

/** gRPC status code. */
const UNAVAILABLE = 14;

test("R22, R25, H6: a stream receives what was stored while its node was away from NATS, and positions hold on each node", async () => {
  const server = await startJetStream();
  const proxy = await startTcpProxy(Number(new URL(server.url).port));
  const away = await startNatsNode(proxy.natsUrl, {}, config);
  const other = await startNatsNode(server.url, {}, config);
  const streams = callersOf(away).map((caller) => new TestStream(caller, { topics: ["room"] }));
  for (const stream of streams) await stream.subscribed();
  const [first = ""] = await publishAll(other, "room", ["1"]);
  for (const stream of streams) expect(await stream.next()).toMatchObject({ text: "1", position: first });

  proxy.shut();
  await becomes(away, 503);
  const [second = ""] = await publishAll(other, "room", ["2"]);
  expect(await publish(away, [{ topics: ["room"], payload: "refused" }])).toMatchObject({ code: "unavailable" });
  for (const caller of callersOf(away)) {
    const { status } = await caller.call(HistoryService.method.readHistory, { topic: "room" });
    expect([caller.name, status]).toEqual([caller.name, UNAVAILABLE]);
  }
  proxy.open();
  await becomes(away, 200);
  for (const stream of streams) expect(await stream.next()).toMatchObject({ text: "2", position: second });

  for (const caller of [...callersOf(away), ...callersOf(other)]) {
    const stream = new TestStream(caller, { topics: ["room"], recover: { room: first } });
    const answer = { positions: { room: second }, recovered: { room: true }, reasons: {} };
    expect(await stream.subscribed()).toEqual(answer);
    expect(await stream.next()).toMatchObject({ text: "2", position: second });
    await stream.close();
    const { answer: page } = await caller.call(HistoryService.method.readHistory, { topic: "room", after: first });
    expect(page.messages).toMatchObject([{ id: "id-2", position: second }]);
  }
  for (const stream of streams) await stream.close();
});
