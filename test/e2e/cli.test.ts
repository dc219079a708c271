import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { WebSocketServer } from "ws";
import { parse } from "yaml";
import { packageRoot, packageVersion } from "../../src/util/package-root.js";
import { say } from "../support/backends/publish.js";
import { cleanUp } from "../support/clean-up.js";
import { connect } from "../support/clients/native.js";
import { readExamples } from "../support/docs/examples.js";
import { becomes, startNatsNode } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { TestAuthority } from "../support/net/certificates.js";
import { keepAddress } from "../support/net/kept-address.js";
import { listen } from "../support/nodes/listen.js";
import { PROGRAM, runCarillon, startCarillon } from "../support/nodes/process.js";
import { Program } from "../support/nodes/program.js";

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "carillon-cli-"));
  cleanUp(() => {
    rmSync(folder, { recursive: true });
  });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

describe("carillon", () => {
  test("prints --help and --version and exits with 0", async () => {
    const help = await runCarillon(["--help"]);
    expect(help.code).toBe(0);
    for (const text of ["serve", "publish", "listen", "config", "Exit codes"]) expect(help.stdout).toContain(text);
    expect(await runCarillon(["--version"])).toMatchObject({ code: 0, stdout: `${packageVersion}\n` });
  });

  test("exits with 2 and refers to the help on invalid usage", async () => {
    for (const args of [["sing"], ["serve", "--htpp", "x"], ["publish"], ["listen"], ["config"], []]) {
      const { code, stderr } = await runCarillon(args);
      expect(code).toBe(2);
      expect(stderr).toContain("help");
    }
  });
});

describe("carillon publish", () => {
  test("publishes the payload of its argument or stdin, byte for byte, and prints id and stage", async () => {
    const node = await startCarillon();
    const client = await connect(`${node.ws}/ws?meta=1`);
    await client.join("foo");
    const published = await runCarillon([
      "publish",
      "-s",
      node.http,
      "foo",
      "hello",
      "--event",
      "greeted",
      "--id",
      "m1",
    ]);
    expect(published).toEqual({ code: 0, stdout: "m1 flushed\n", stderr: "" });
    expect(await client.next()).toMatchObject({ topic: "foo", payload: "hello", event: "greeted", id: "m1" });
    const piped = await runCarillon(["publish", "-s", node.http, "foo", "-", "--async"], { input: "a\nb\n" });
    expect(piped.stdout).toMatch(/^\S+ accepted\n$/);
    expect(await client.next()).toMatchObject({ payload: "a\nb\n" });
    await runCarillon(["publish", "-s", node.http, "foo"], { input: Buffer.from([0xff, 0x00]) });
    expect(await client.next()).toMatchObject({ payload: "/wA=", encoding: "base64" });
  });

  test("exits with 1 and prints the reason of a refusal", async () => {
    const node = await startCarillon();
    const { code, stderr, stdout } = await runCarillon(["publish", "-s", node.http, "#foo", "x"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("messages[0].topics[0] begins with a reserved character");
  });

  test("exits with 3 when the server is unreachable", async () => {
    const { code, stderr } = await runCarillon(["publish", "-s", await keepAddress(), "foo", "x"]);
    expect(code).toBe(3);
    expect(stderr).toContain("ECONNREFUSED");
  });
});

describe("carillon listen", () => {
  test("prints payloads, with the topic if there are several, and JSON on request", async () => {
    const node = await startCarillon();
    const one = listen(node.ws, "foo");
    const both = listen(node.ws, "foo", "bar");
    const json = listen(node.ws, "foo", "--json");
    await Promise.all([one.listening, both.listening, json.listening]);
    await runCarillon(["publish", "-s", node.http, "foo", "hi", "--id", "m1", "--event", "e"]);
    expect(await one.line()).toBe("hi");
    expect(await both.line()).toBe("foo hi");
    expect(JSON.parse(await json.line())).toMatchObject({ topic: "foo", payload: "hi", id: "m1", event: "e" });
    one.child.kill("SIGINT");
    expect(await one.exited).toBe(0);
  });

  test("reconnects when the node restarts", async () => {
    const http = await keepAddress();
    const first = await startCarillon(["--http", http]);
    const listener = listen(first.ws, "foo");
    await listener.listening;
    first.child.kill("SIGTERM");
    await first.exited;
    const again = await startCarillon(["--http", http]);
    await listener.listeningAgain;
    await runCarillon(["publish", "-s", again.http, "foo", "still here"]);
    expect(await listener.line()).toBe("still here");
  });

  test("O9: retries while the broker is disconnected, and prints the reason", async () => {
    const nats = await startNats();
    const node = await startNatsNode(nats.url);
    await nats.kill();
    await becomes(node, 503);
    const listener = listen(node.ws, "foo");
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      expect(await listener.notes.next()).toMatch(/^carillon: broker "nats" is not connected; retrying in \d+ ms$/);
    }
    await nats.start();
    await listener.listening;
    await say(node, "foo", "at last");
    expect(await listener.line()).toBe("at last");
  });

  test("W14: prints missed messages and unknown frames to stderr, and continues", async () => {
    const ws = await startFrameServer(
      '{"topic":"@join","payload":["foo"],"id":1}',
      '{"topic":"#lagged","payload":["foo"],"missed":17}',
      '{"topic":"#lagged","payload":["foo"],"missed":1}',
      '{"topic":"#news","payload":["from later versions"]}',
      '{"topic":"foo","payload":"hi","id":"m1"}',
    );
    const listener = listen(ws, "foo", "--json");
    expect(await listener.line()).toBe('{"topic":"foo","payload":"hi","id":"m1"}');
    for (const note of [
      "listening to foo",
      "missed 17 messages on foo",
      "missed 1 message on foo",
      '{"topic":"#news","payload":["from later versions"]}',
    ])
      expect(await listener.notes.next()).toBe(`carillon: ${note}`);
    listener.child.kill("SIGINT");
    expect(await listener.exited).toBe(0);
  });

  test("W7: exits with 1 and prints the reason of an #error", async () => {
    const listener = listen(await startFrameServer('{"topic":"#error","payload":["not understood"]}'), "foo");
    expect(await listener.exited).toBe(1);
    expect(await listener.notes.next()).toBe("carillon: not understood");
  });

  test("trusts the node's certificate with --ca, on both ports, and exits with 2 when the file is missing", async () => {
    const authority = await TestAuthority.create();
    const { certFile, keyFile } = await authority.issue("localhost");
    const folder = folderWith({ "a.yaml": `tls: { cert_file: ${certFile}, key_file: ${keyFile} }` });
    const node = await startCarillon(["--config", "a.yaml"], { folder });
    const ws = node.ws.replace("127.0.0.1", "localhost");
    const listener = listen(ws, "foo", "--ca", authority.caFile);
    await listener.listening;
    await runCarillon([
      "publish",
      "-s",
      `grpcs://${node.grpc.replace("127.0.0.1", "localhost")}`,
      "--ca",
      authority.caFile,
      "foo",
      "hi",
    ]);
    expect(await listener.line()).toBe("hi");
    const secure = ws.replace("wss", "https");
    const nowhere = await runCarillon(["listen", "-s", secure, "--ca", "/nowhere", "foo"]);
    expect(nowhere.code).toBe(2);
    expect(nowhere.stderr).toContain("/nowhere");
  });

  test("exits with 1 on a refused join, and with 3 when the server is unreachable", async () => {
    const node = await startCarillon();
    const refused = await runCarillon(["listen", "-s", node.http, "#foo"]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("topics[0] begins with a reserved character");
    const absent = await runCarillon(["listen", "-s", await keepAddress(), "foo"]);
    expect(absent.code).toBe(3);
  });
});

describe("carillon config", () => {
  test("prints a file with --print-defaults that --check accepts", async () => {
    const { code, stdout } = await runCarillon(["config", "--print-defaults"]);
    expect(code).toBe(0);
    expect(parse(stdout)).toMatchObject({ http: "127.0.0.1:8080" });
    const folder = folderWith({ "a.yaml": stdout });
    expect(await runCarillon(["config", "--check", "a.yaml"], { folder })).toMatchObject({
      code: 0,
      stdout: "a.yaml: valid\n",
    });
  });

  test("prints every error and exits with 2 on --check of an invalid file", async () => {
    const folder = folderWith({ "a.yaml": "htpp: 127.0.0.1:1\nlimits: { outbox: big }\n" });
    const { code, stderr } = await runCarillon(["config", "--check", "a.yaml"], { folder });
    expect(code).toBe(2);
    expect(stderr).toContain("carillon: htpp: unknown key; did you mean http?\n");
    expect(stderr).toContain("carillon: limits.outbox: expected a size such as 64KiB, 1MiB");
  });

  test("finds errors on --check that otherwise only a start finds, in every vhost", async () => {
    const folder = folderWith({
      "a.yaml": "vhosts: { /: { jwt: { secret: short } }, /shop: { tokens: { secret_file: nowhere } } }\n",
    });
    const { code, stderr } = await runCarillon(["config", "--check", "a.yaml"], { folder });
    expect(code).toBe(2);
    expect(stderr).toContain("carillon: vhosts./.jwt.secret: HS256 requires at least 32 bytes");
    expect(stderr).toContain("carillon: vhosts./shop.tokens.secret_file: nowhere cannot be read\n");
    expect(stderr).not.toContain("short");
  });
});

describe("carillon serve", () => {
  test("reads carillon.yaml of the working directory, --config, the environment and flags", async () => {
    const folder = folderWith({
      "carillon.yaml": "limits: { payload: 1B }",
      "other.yaml": "limits: { payload: 2B }",
    });
    for (const [args, environment, limit] of [
      [[], {}, 1],
      [["--config", "other.yaml"], {}, 2],
      [[], { CARILLON_LIMITS_PAYLOAD: "3B" }, 3],
    ] as const) {
      const node = await startCarillon(args, { folder, environment });
      const { stderr } = await runCarillon(["publish", "-s", node.http, "foo", "12345"]);
      expect(stderr).toContain(`payload: 5 bytes, the limit is ${limit}`);
    }
  });

  test("exits with 2 and names the setting when the configuration would open the node to other machines", async () => {
    const { code, stderr } = await runCarillon(["serve", "--http", "0.0.0.0:0"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--insecure");
  });

  test("exits with 1 and names the port when it is in use", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    cleanUp(() => taken.close());
    const { port } = taken.address() as { port: number };
    const { code, stderr } = await runCarillon(["serve", "--http", `127.0.0.1:${port}`, "--grpc", "127.0.0.1:0"]);
    expect(code).toBe(1);
    expect(stderr).toContain(`cannot listen on http address 127.0.0.1:${port}`);
  });

  test("logs that no keys are configured, and prints three commands with --try", async () => {
    const node = await startCarillon(["--try"]);
    expect(
      await node.logged("no keys are configured: every caller that reaches these ports may publish and listen"),
    ).toBeTruthy();
    node.child.kill("SIGTERM");
    expect(await node.exited).toBe(0);
    const lines = (await node.stderr).split("\n").filter((line) => /^ {2}\d\. /.test(line));
    expect(lines).toHaveLength(3);
    expect(lines[1]).toContain(`curl ${node.http}/websockets.v1.BroadcastService/Publish`);
    expect(lines[2]).toContain(`publish --server ${node.http} hello`);
  });

  test("prints commands that use CARILLON_KEY with --try when keys are required, and they work", async () => {
    const secret = "carillon_try";
    const hash = `sha256:${createHash("sha256").update(secret).digest("hex")}`;
    const config = `vhosts: { /: { keys: [{ name: a, hash: "${hash}", actions: ["*"] }] } }`;
    const folder = folderWith({ "a.yaml": config });
    const args = ["serve", "--try", "--config", "a.yaml", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
    const node = new Program(process.execPath, [PROGRAM, ...args], { folder, environment: {} });
    cleanUp(() => node.stop("SIGKILL"));
    const [, command = ""] = await node.says(/^ {2}3\. (.*)$/);
    expect(node.printed).toContain("Try it, with a key in the environment as CARILLON_KEY:\n");
    expect(node.printed).toMatch(/^ {2}2\. curl .* -H "authorization: Bearer \$CARILLON_KEY" .*"text":"Hello, world"/m);
    const [, http] = await node.says(/"http":"http:\/\/([^"]+)"/);
    const client = await connect(`ws://${http}/ws`);
    await client.join("hello");
    const environment = { PATH: process.env["PATH"], CARILLON_KEY: secret };
    const publish = new Program("sh", ["-c", command], { folder, environment });
    expect(await publish.gone).toBe(0);
    expect(await client.nextText()).toBe('{"topic":"hello","payload":"Hello again"}');
  });

  test("suggests only the page with --try and TLS, because the certificate's authority is unknown", async () => {
    const { certFile, keyFile } = await (await TestAuthority.create()).issue("localhost");
    const folder = folderWith({ "a.yaml": `tls: { cert_file: ${certFile}, key_file: ${keyFile} }` });
    const node = await startCarillon(["--try", "--config", "a.yaml"], { folder });
    node.child.kill("SIGTERM");
    const lines = (await node.stderr).split("\n").filter((line) => /^ {2}\d\. /.test(line));
    expect(lines).toEqual([`  1. open ${node.http}/ in a browser: it listens to the topic "hello"`]);
  });
});

test("logs the addresses in a readable form when the format is pretty", async () => {
  const environment = { CARILLON_LOG_FORMAT: "pretty", CARILLON_HTTP: "127.0.0.1:0", CARILLON_GRPC: "127.0.0.1:0" };
  const node = spawn(process.execPath, [PROGRAM, "serve"], { env: environment, stdio: ["ignore", "pipe", "ignore"] });
  const exited = once(node, "exit");
  for await (const line of createInterface({ input: node.stdout })) {
    expect(line).not.toMatch(/^\{/);
    if (/http: "http:\/\/127\.0\.0\.1:\d+"/.test(line)) node.kill("SIGTERM");
  }
  expect(await exited).toEqual([0, null]);
});

describe("signals", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("L7: %s stops gracefully with 0", async (signal) => {
    const node = await startCarillon();
    const client = await connect(`${node.ws}/ws`);
    node.child.kill(signal);
    expect(await client.closed).toEqual({ code: 1012, reason: "service restart, retry after 1-10 s" });
    expect(await node.exited).toBe(0);
    expect(node.log.at(-1)).toMatchObject({ msg: "stopped" });
  });

  test("L7: exits at once with 1 on a second signal", async () => {
    const node = await startCarillon();
    const client = await connect(`${node.ws}/ws`);
    // A client that does not read does not answer the close frame, so the first stop waits for it.
    client.webSocket.pause();
    node.child.kill("SIGTERM");
    await node.logged("stopping; a second signal exits immediately");
    node.child.kill("SIGTERM");
    expect(await node.exited).toBe(1);
  });
});

test("O9: README.md's listener for browsers reconnects when the broker does", async () => {
  const nats = await startNats();
  const node = await startNatsNode(nats.url);
  await nats.kill();
  await becomes(node, 503);
  const { examples } = readExamples(readFileSync(join(packageRoot, "README.md"), "utf8"));
  const { code = "" } = examples.find(({ file }) => file === "browser.js") ?? {};
  // Node 20 has no built-in WebSocket.
  const module = `import { WebSocket } from "ws"; ${code.replace("ws://127.0.0.1:8080", node.ws)}`;
  const listener = new Program(process.execPath, ["--input-type=module", "-e", module], {
    folder: packageRoot,
    environment: { PATH: process.env["PATH"] },
  });
  cleanUp(() => listener.stop("SIGKILL"));
  await listener.says(/^refused: .*"unavailable"/);
  await nats.start();
  await listener.says(/^joined hello$/);
  await say(node, "hello", "at last");
  await expect(listener.says(/^hello: at last$/)).resolves.toBeDefined();
});

/** Starts a server that sends frames after the first command. */
async function startFrameServer(...frames: readonly string[]): Promise<string> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  cleanUp(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await once(server, "listening");
  server.on("connection", (webSocket) => {
    webSocket.once("message", () => {
      for (const frame of frames) webSocket.send(frame);
    });
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
