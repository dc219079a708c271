import { execFileSync } from "node:child_process";
import { HealthClient } from "../../support/backends/health.js";
import { connect } from "../../support/clients/native.js";
import { type RunningNode, startCarillon } from "../../support/nodes/process.js";
import { temporaryFile, temporaryFolder } from "../../support/temporary-files.js";

/** Sets the maximum size of the node's files, in bytes. The limit can be raised again. */
function limitFiles(node: RunningNode, bytes: number | "unlimited"): void {
  execFileSync("prlimit", ["--pid", String(node.child.pid), `--fsize=${bytes}:unlimited`]);
}

async function readiness(node: RunningNode): Promise<string> {
  const response = await fetch(`${node.http}/readyz`);
  return `${response.status} ${(await response.text()).trim()}`;
}

/** Creates a vhost. Returns the HTTP status. */
async function createVhost(node: RunningNode, name: string): Promise<number> {
  const response = await fetch(`${node.http}/carillon.v1.ControlService/CreateVhost`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ path: name }),
  });
  await response.text();
  return response.status;
}

test("L8: is not ready while its disk is full, serves clients meanwhile, and is ready again when there is space", async () => {
  const config = { store: { driver: "file", path: temporaryFolder() } };
  const node = await startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(config))]);
  const health = new HealthClient(node);
  const client = await connect(`${node.ws}/ws`);
  expect(await readiness(node)).toBe("200 ready");
  expect(await createVhost(node, "/before")).toBe(200);

  limitFiles(node, 1);
  expect(await createVhost(node, "/meanwhile")).toBe(503);
  expect(await readiness(node)).toBe("503 the store is unavailable");
  expect(await health.check()).toBe("NOT_SERVING");
  expect((await fetch(`${node.http}/healthz`)).status).toBe(200);
  await client.join("topic");

  limitFiles(node, "unlimited");
  await node.logged("store available");
  while ((await readiness(node)) !== "200 ready");
  expect(await health.check()).toBe("SERVING");
  expect(await createVhost(node, "/meanwhile")).toBe(200);
});
