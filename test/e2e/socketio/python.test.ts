import { socketIoContract } from "../../contract/socketio.js";
import { CONFIG, tokenFor } from "../../dialects/socketio/support.js";
import { publish } from "../../support/backends/publish.js";
import { startWorker } from "../../support/backends/worker.js";
import { PythonClient, pythonAt } from "../../support/clients/python.js";
import { TRANSPORTS } from "../../support/clients/socket-io.js";
import { untilNone } from "../../support/nodes/metrics.js";
import { startNode } from "../../support/nodes/node.js";

const CLIENTS = ["socketio-4", "socketio-5"].flatMap((name) =>
  TRANSPORTS.map((transport) => [name, transport] as const),
);

for (const [name, transport] of CLIENTS) {
  const { missing, path = "" } = pythonAt(name);
  const title = `python-${name} over ${transport}`;
  const group = path === "" ? describe.skip : describe;

  group(path === "" ? `${title} (skipped: ${missing})` : title, () => {
    socketIoContract((node, token) => new PythonClient(path, node.http, transport, token).connected());

    test("I3, I4: accepts bare numbers from the published bot, and keeps their digits in the topic's name", async () => {
      const node = await startNode(CONFIG);
      const client = await new PythonClient(path, node.http, transport, await tokenFor("eve")).connected();
      client.emitText("request_elevation", "1923512129");
      expect(await client.heard.next()).toEqual({
        event: "request_elevation_return",
        value: { success: false, room: null, message: "1923512129 is not a token" },
      });
      client.emitText("spectate", "607637793107345431");
      await client.ask("leave", { topics: ["a"] });
      await publish(node, [
        { topics: ["607637793107345400"], payload: "1" },
        { topics: ["607637793107345431"], payload: "2", event: "log_pool" },
      ]);
      expect(await client.heard.next()).toEqual({ event: "log_pool", value: 2 });
    });

    test("I7: delivers numbers that JavaScript rounds to a worker with all digits", async () => {
      const node = await startNode(CONFIG);
      const client = await new PythonClient(path, node.http, transport, await tokenFor("eve")).connected();
      const worker = await startWorker(node, ["*"]);
      client.emitText("pool_request", '{"guildId": 607637793107345431, "ids": [1.10], "_id": 7}');
      const task = await worker.tasks.next();
      expect(Buffer.from(task.payload).toString()).toBe('{"guildId":607637793107345431,"ids":[1.1],"_id":7}');
      worker.answer(task, '{"data":[]}');
      expect(await client.heard.next()).toEqual({
        event: "pool_response",
        value: { data: [], _id: 7, finished: true },
      });
    });

    test("I13: removes a client at once when it announces its disconnect", async () => {
      // While its poll is open, a client that disconnects may wait for the poll to end before it sends its disconnect.
      const node = await startNode({ ...CONFIG, ping: { interval: "5s", timeout: "4s" } });
      const client = await new PythonClient(path, node.http, transport).connected();
      client.disconnect();
      await untilNone(node, "carillon_connections");
      expect(client.heard.unread).toEqual([]);
    });
  });
}
