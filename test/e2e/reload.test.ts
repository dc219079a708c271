import type { ChildProcess } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createKey } from "../../src/access/keys/key-secret.js";
import { say } from "../support/backends/publish.js";
import { connect, refusedUpgrade } from "../support/clients/native.js";
import { startNats } from "../support/nats/server.js";
import { startTcpProxy } from "../support/net/tcp-proxy.js";
import { type RunningNode, runCarillon, startCarillon } from "../support/nodes/process.js";
import { temporaryFile, temporaryFolder } from "../support/temporary-files.js";

async function startFrom(yaml: string) {
  const folder = temporaryFolder();
  const write = (text: string): void => writeFileSync(join(folder, "carillon.yaml"), text);
  write(yaml);
  return { folder, node: await startCarillon([], { folder }), write };
}

function reload({ http }: RunningNode, environment: NodeJS.ProcessEnv = {}) {
  return runCarillon(["reload", "--server", http], { environment });
}

test("C11: carillon reload prints what has changed, and what needs a restart", async () => {
  const { node, write } = await startFrom("limits: { outbox: 2MiB }\n");
  const client = await connect(`${node.ws}/ws`);
  write("limits: { outbox: 3MiB }\nvhosts: { /shop: {} }\ncompression: true\n");
  expect(await reload(node)).toEqual({
    code: 0,
    stdout: "changed: vhosts./shop\nchanged: limits.outbox\nneeds a restart: compression\n",
    stderr: "",
  });
  expect(await node.logged("changed settings that need a restart")).toMatchObject({ restart: ["compression"] });
  await (await connect(`${node.ws}/ws/shop`)).join("foo");
  await client.join("foo");
  await say(node, "foo", "still here");
  expect(await client.next()).toMatchObject({ payload: "still here" });
  expect(await reload(node)).toMatchObject({ code: 0, stdout: "needs a restart: compression\n" });
  write("limits: { outbox: 3MiB }\nvhosts: { /shop: {} }\n");
  expect(await reload(node)).toEqual({ code: 0, stdout: "", stderr: "carillon: no setting has changed\n" });
});

test("C11: carillon reload exits with 2 for an invalid file, names every fault and changes nothing", async () => {
  const { node, write } = await startFrom("");
  for (const [yaml, fault] of [
    ["vhosts: { /shop: {} }\nlimits: { outbx: 1 }\nhtpp: x\n", "limits.outbx: unknown key; did you mean outbox?"],
    ["vhosts: [", "carillon.yaml: "],
  ] as const) {
    write(yaml);
    const { code, stderr } = await reload(node);
    expect(code).toBe(2);
    expect(stderr).toContain("nothing has changed, because the configuration is invalid");
    expect(stderr).toContain(fault);
  }
  expect(await node.logged("the reload was refused")).toMatchObject({
    reason: expect.stringContaining("limits.outbx: unknown key"),
  });
  expect((await refusedUpgrade(`${node.ws}/ws/shop`)).status).toBe(404);
});

test("carillon reload exits with 2 when a secret's file is gone or too short", async () => {
  const file = temporaryFile("tokens", "x".repeat(64));
  const { node } = await startFrom(`vhosts: { /shop: { tokens: { secret_file: "${file}" } } }\n`);
  writeFileSync(file, "short");
  const [short, gone] = [await reload(node), (rmSync(file), await reload(node))];
  for (const { code, stderr } of [short, gone]) {
    expect([code, stderr]).toEqual([2, expect.stringContaining("nothing has changed")]);
  }
  expect(short.stderr).toContain("vhosts./shop.tokens.secret_file: HS512 requires at least 64 bytes");
  expect(gone.stderr).toContain(`vhosts./shop.tokens.secret_file: ${file} cannot be read`);
});

test("carillon reload refuses an empty file, and one that is gone", async () => {
  const { folder, node, write } = await startFrom("vhosts: { /shop: {} }\n");
  for (const yaml of ["", "# vhosts: {}\n"]) {
    write(yaml);
    const { code, stderr } = await reload(node);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining("the file is empty; expected settings, or {} for none"),
    ]);
  }
  rmSync(join(folder, "carillon.yaml"));
  expect(await reload(node)).toMatchObject({ code: 2, stderr: expect.stringContaining("cannot read") });
  await connect(`${node.ws}/ws/shop`);
  write("{}\n");
  expect(await reload(node)).toMatchObject({ code: 0, stdout: "changed: vhosts./shop\n" });
});

test("C11: carillon reload needs a key with the action vhosts, which CARILLON_KEY_FILE may hold", async () => {
  const [operator, backend] = [createKey(), createKey()];
  const keys = `[{ name: ops, hash: "sha256:${operator.hash}", actions: [vhosts] }, { name: b, hash: "sha256:${backend.hash}", actions: [publish] }]`;
  const { node } = await startFrom(`vhosts: { /: { keys: ${keys} } }\n`);
  expect(await reload(node)).toMatchObject({ code: 1 });
  expect(await reload(node, { CARILLON_KEY: backend.secret })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('lacks the action "vhosts"'),
  });
  const file = temporaryFile("key", `${operator.secret}\n`);
  expect(await reload(node, { CARILLON_KEY_FILE: file })).toMatchObject({ code: 0 });
  expect(await reload(node, { CARILLON_KEY_FILE: "/nowhere" })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("CARILLON_KEY_FILE: "),
  });
});

test("SIGHUP does not end a node that starts", async () => {
  const nats = await startNats();
  let starting: ChildProcess | undefined;
  const proxy = await startTcpProxy(nats.port, (client, server) => {
    starting?.kill("SIGHUP");
    client.pipe(server).pipe(client);
  });
  const file = temporaryFile("carillon.yaml", `brokers: { nats: { driver: nats, servers: ["${proxy.natsUrl}"] } }\n`);
  const node = await startCarillon(["--config", file], {
    onSpawn: (child) => {
      starting = child;
    },
  });
  expect((await fetch(`${node.http}/readyz`)).status).toBe(200);
});

test("SIGHUP reloads, and logs the faults of an invalid file, which changes nothing", async () => {
  const { node, write } = await startFrom("");
  const client = await connect(`${node.ws}/ws`);
  write("vhosts: { /shop: {} }\n");
  node.child.kill("SIGHUP");
  expect(await node.logged("configuration reloaded")).toMatchObject({ changed: ["vhosts./shop"] });
  await connect(`${node.ws}/ws/shop`);
  write("vhosts: { shop: {} }\n");
  node.child.kill("SIGHUP");
  expect(await node.logged("the reload was refused")).toMatchObject({
    reason: expect.stringContaining("vhosts.shop: expected / or a path"),
  });
  await connect(`${node.ws}/ws/shop`);
  await client.join("foo");
  node.child.kill("SIGTERM");
  expect(await node.exited).toBe(0);
});

test("carillon config prints the schema, and explains settings", async () => {
  const { stdout } = await runCarillon(["config", "--schema"]);
  expect(JSON.parse(stdout)).toMatchObject({ title: "Configuration of a Carillon node" });
  const file = temporaryFile("a.yaml", "limits:\n  outbox: 2MiB\n  payload: 9MiB\n");
  const explained = await runCarillon(["config", "--explain", "limits.outbox", "--config", file]);
  expect(explained).toMatchObject({ code: 0, stdout: expect.stringContaining(`from      ${file}, line 2`) });
  expect(explained.stderr).toContain(
    "carillon: the configuration is invalid: limits: payload: expected at most request",
  );
  expect(await runCarillon(["config", "--explain", "limits.outbx"])).toMatchObject({
    code: 2,
    stderr: "carillon: limits.outbx: unknown key; did you mean limits.outbox?\n",
  });
});
