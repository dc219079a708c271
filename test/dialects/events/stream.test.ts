import { publish } from "../../support/backends/publish.js";
import { openStream, refusedStream } from "../../support/clients/event-stream.js";
import { startNode } from "../../support/nodes/node.js";

test("V1, V3: streams the messages of topics as events", async () => {
  const node = await startNode();
  const stream = await openStream(`${node.http}/events?topic=foo&topic=bar`);
  expect(stream.response.headers).toMatchObject({
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    connection: "close",
  });
  expect(await stream.nextBlock()).toBe("retry: 3000");
  await publish(node, [{ topics: ["foo"], payload: "one\ntwo", event: "e" }]);
  expect(await stream.nextBlock()).toBe("event: e\ndata: one\ndata: two");
  await publish(node, [{ topics: ["bar"], payload: "" }]);
  expect(await stream.nextBlock()).toBe("data: ");
  expect((await refusedStream(`${node.http}/events`)).status).toBe(400);
});
