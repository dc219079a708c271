import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";
import { temporaryFolder } from "../../support/temporary-files.js";

/**
 * The published packages (spiral/goridge, spiral/roadrunner-broadcast) are on Packagist only, which the tests do not use. Instead,
 * client.php makes the frames with PHP's own pack, hash and streams.
 */
const hasPhp = spawnSync("php", ["-n", "--version"]).status === 0;
const ifPhp = hasPhp ? describe : describe.skip;

function runPhp(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile("php", ["-n", join(__dirname, "client.php"), ...args], (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stdout + stderr, { cause: error }));
    });
  });
}

ifPhp(hasPhp ? "with PHP" : "with PHP (skipped: no php on the PATH)", () => {
  test.each([
    ["TCP", () => "tcp://127.0.0.1:0"],
    ["a Unix socket", () => `unix://${join(temporaryFolder(), "rpc.sock")}`],
  ])("G3: publishes over %s, and reports refusals", async (_, listen) => {
    const node = await startNode({ roadrunner: { listen: listen() } });
    const listener = await connect(`${node.ws}/ws`);
    await listener.join("foo");
    const output = await runPhp(node.carillon.addresses?.roadrunner[0] ?? "", "", "foo");
    const answers = output
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(answers).toEqual([
      {
        method: "informer.List",
        error: null,
        body: Buffer.from('["websockets","broadcast","centrifuge"]').toString("hex"),
      },
      { method: "broadcast.Publish", error: null, body: "0801" },
      { method: "websockets.PublishAsync", error: null, body: "0801" },
      expect.objectContaining({
        method: "broadcast.Publish",
        error: "messages[0].topics[0] begins with a reserved character (@, # or $)",
      }),
    ]);
    expect(await listener.next()).toEqual({ topic: "foo", payload: "hello" });
    expect(await listener.next()).toEqual({ topic: "foo", payload: "x".repeat(200_000) });
  });
});
