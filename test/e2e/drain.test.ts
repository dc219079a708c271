import { say } from "../support/backends/publish.js";
import { connect } from "../support/clients/native.js";
import { startCarillon } from "../support/nodes/process.js";

async function readiness(http: string): Promise<string> {
  const response = await fetch(`${http}/readyz`);
  return `${response.status} ${await response.text()}`;
}

test("L7, L8: is not ready from the signal on, and serves old and new clients during drain.delay", async () => {
  const node = await startCarillon([], { environment: { CARILLON_DRAIN_DELAY: "10m" } });
  const before = await connect(`${node.ws}/ws`);
  expect(await readiness(node.http)).toBe("200 ready\n");
  node.child.kill("SIGTERM");
  while ((await readiness(node.http)) !== "503 stopping\n");
  const during = await connect(`${node.ws}/ws`);
  for (const client of [before, during]) await client.join("foo");
  await say(node, "foo", "still here");
  for (const client of [before, during]) {
    expect(await client.next()).toMatchObject({ topic: "foo", payload: "still here" });
  }
  expect(node.log.map(({ msg }) => msg)).not.toContain("refusing new clients, closing connections");
  node.child.kill("SIGTERM");
  expect(await node.exited).toBe(1);
});

test("L7: ends after drain.delay without clients", async () => {
  const node = await startCarillon([], { environment: { CARILLON_DRAIN_DELAY: "50ms" } });
  node.child.kill("SIGTERM");
  expect(await node.exited).toBe(0);
  const steps = node.log.map(({ msg }) => msg).filter((msg) => msg !== "ready");
  expect(steps.slice(-3)).toEqual([
    "stopping; a second signal exits immediately",
    "refusing new clients, closing connections",
    "stopped",
  ]);
});
