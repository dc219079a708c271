import { readFileSync } from "node:fs";
import { join } from "node:path";
import { say } from "../../support/backends/publish.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect } from "../../support/clients/native.js";
import { type RunningNode, runCarillon, startCarillon } from "../../support/nodes/process.js";
import { temporaryFolder } from "../../support/temporary-files.js";

const NATS = { NATS_SERVER: process.env["NATS_SERVER"] };

/** Starts a node with a NATS server of its own, which is killed after the test if it still runs. */
async function startWithNats(folder: string, yaml = ""): Promise<RunningNode> {
  cleanUp(() => {
    if (isRunning(pidOf(folder))) process.kill(pidOf(folder), "SIGKILL");
  });
  const environment = yaml === "" ? NATS : { ...NATS, CARILLON_CONFIG: yaml };
  return startCarillon(["--with-nats", "--nats-folder", folder], { environment, folder });
}

function pidOf(folder: string): number {
  return Number(readFileSync(join(folder, "nats.pid"), "utf8"));
}

function isRunning(pid: number): boolean {
  try {
    // A zombie has no command line.
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
  } catch {
    return false;
  }
}

test("runs a nats-server, stops the node before it, and refuses a second start on its folder", async () => {
  const folder = temporaryFolder();
  const node = await startWithNats(folder);
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  await say(node, "foo", "hi");
  expect(await client.next()).toMatchObject({ payload: "hi" });
  const second = await runCarillon(
    ["serve", "--with-nats", "--nats-folder", folder, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"],
    { environment: NATS },
  );
  expect(second).toMatchObject({ code: 1, stderr: `carillon: ${folder} is in use by another process\n` });
  const pid = pidOf(folder);
  expect(isRunning(pid)).toBe(true);
  node.child.kill("SIGTERM");
  expect(await node.exited).toBe(0);
  expect(isRunning(pid)).toBe(false);
  const messages = node.log.map(({ msg }) => msg);
  expect(messages).toContain("stopped");
  expect(messages).not.toContain("broker disconnected, retrying");
});

test("starts the nats-server again when it is killed, and stops one that a killed node has left", async () => {
  const folder = temporaryFolder();
  const first = await startWithNats(folder);
  const client = await connect(`${first.ws}/ws`);
  await client.join("foo");
  const pid = pidOf(folder);
  process.kill(pid, "SIGKILL");
  expect(await first.logged("nats-server ended unexpectedly, starting it again")).toMatchObject({ delay: 0 });
  await first.logged("nats-server restarted");
  while ((await fetch(`${first.http}/readyz`)).status !== 200);
  await say(first, "foo", "again");
  expect(await client.next()).toMatchObject({ payload: "again" });
  const orphan = pidOf(folder);
  expect(orphan).not.toBe(pid);
  first.child.kill("SIGKILL");
  await first.exited;
  expect(isRunning(orphan)).toBe(true);
  const next = await startWithNats(folder);
  await next.logged("stopping the nats-server of a carillon process that was killed");
  expect(isRunning(orphan)).toBe(false);
  next.child.kill("SIGTERM");
  expect(await next.exited).toBe(0);
});

test("names what is wrong with --with-nats", async () => {
  const folder = temporaryFolder();
  const serve = ["serve", "--with-nats", "--nats-folder", folder];
  expect(await runCarillon(serve, { environment: { NATS_SERVER: "/nowhere/nats-server" } })).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/cannot run \/nowhere\/nats-server: .*; install it, or name it in NATS_SERVER/),
  });
  expect(await runCarillon([...serve, "--broker", "memory"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--with-nats: excludes --broker"),
  });
  expect(await runCarillon([...serve], { environment: { CARILLON_BROKER: "memory" } })).toMatchObject({ code: 2 });
});
