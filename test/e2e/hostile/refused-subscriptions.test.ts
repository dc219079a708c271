import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TestBackend } from "../../support/backends/backend.js";
import { connect } from "../../support/clients/native.js";
import { startCarillon } from "../../support/nodes/process.js";
import { temporaryFile } from "../../support/temporary-files.js";

const { listConnections, subscribe } = ControlService.method;

/** Fills a slice of the node's work, so that the slice ends in a later turn than the refused join. */
const TOPICS = Array.from({ length: 402 }, (_, number) => `topic-${number}`);

test("A15, O8: survives a Subscribe whose joins are refused before its slice ends", async () => {
  const config = temporaryFile("carillon.yaml", "vhosts: { /: { limits: { topics_per_connection: 10 } } }");
  // A process of its own, because an unhandled rejection ends the process.
  const node = await startCarillon(["--config", config]);
  const backend = new TestBackend(node);
  const client = await connect(`${node.ws}/ws`);
  const { connections } = await backend.call(listConnections, {});
  const target = { target: { case: "connectionId", value: connections[0]?.id ?? "" } } as const;
  await expect(backend.call(subscribe, { target, topics: TOPICS })).rejects.toMatchObject({
    message: expect.stringContaining("(0 of 1 connections have joined)") as string,
  });
  await client.join("topic");
  expect((await backend.call(listConnections, {})).connections).toHaveLength(1);
});
