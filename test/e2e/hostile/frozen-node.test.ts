import { readFileSync } from "node:fs";
import { publish, say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNats } from "../../support/nats/server.js";
import { type RunningNode, startCarillon } from "../../support/nodes/process.js";
import { temporaryFile } from "../../support/temporary-files.js";

function startNode(url: string): Promise<RunningNode> {
  const config = { brokers: { nats: { driver: "nats", servers: [url] } } };
  return startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(config))]);
}

/** Waits until the signal has been delivered, some time after kill. */
function freeze({ child }: RunningNode): void {
  child.kill("SIGSTOP");
  while (!/\) T /.test(readFileSync(`/proc/${child.pid}/stat`, "utf8")));
}

test("SECURITY: delays no other node while it is frozen and dropped by NATS, and detects the disconnect when it resumes", async () => {
  const server = await startNats('max_pending: 2MB\nwrite_deadline: "1s"');
  const frozen = await startNode(server.url);
  const other = await startNode(server.url);
  const passenger = await connect(`${frozen.ws}/ws`);
  const client = await connect(`${other.ws}/ws`);
  await passenger.join("news");
  await client.join("news");

  freeze(frozen);
  const payload = "x".repeat(500_000);
  let sent = 0;
  while (server.linesOf(/Slow Consumer/).length === 0) {
    await say(other, "news", payload);
    sent += 1;
  }
  for (let count = 0; count < sent; count += 1) expect((await client.next()).topic).toBe("news");

  frozen.child.kill("SIGCONT");
  expect(await frozen.logged("broker disconnected, retrying")).toBeDefined();
  // Its publishes are refused or take effect. After the first accepted one, all subscriptions are active.
  while ((await publish(frozen, [{ topics: ["news"], payload: "back" }])).ok !== true);
  await say(other, "news", "after");
  const payloads: unknown[] = [];
  while (payloads.at(-1) !== "after") payloads.push((await passenger.next()).payload);
  // No duplicates and no reordering: messages from before the freeze come first, then those after the reconnect.
  const missed = payloads.findIndex((text) => text === "back");
  expect(payloads.slice(0, missed).every((text) => text === payload)).toBe(true);
  expect(missed).toBeLessThan(sent);
  expect(payloads.slice(missed).filter((text) => text !== "back")).toEqual(["after"]);
  expect(passenger.webSocket.readyState).toBe(passenger.webSocket.OPEN);
  expect((await fetch(`${frozen.http}/readyz`)).status).toBe(200);
});
