import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { reservePort } from "../../src/net/reserve-port.js";
import { cleanUp } from "../support/clean-up.js";

const PYTHON = process.env["PYTHON"] ?? "python3";

/** Takes a port as a program does that gets a free one: without SO_REUSEADDR, which Node.js always sets. @returns why it cannot */
function takePort(host: string, port: number): string {
  const program = "import socket, sys; socket.socket(socket.AF_INET).bind((sys.argv[1], int(sys.argv[2])))";
  return spawnSync(PYTHON, ["-c", program, host, String(port)], { encoding: "utf8" }).stderr;
}

async function listenAt(host: string, port: number): Promise<void> {
  const server = createServer().listen(port, host);
  await once(server, "listening");
  cleanUp(() => once(server.close(), "close"));
}

const hasPython = spawnSync(PYTHON, ["-c", ""]).status === 0;
const withPython = hasPython ? describe : describe.skip;

withPython(`a reserved port${hasPython ? "" : " (skipped: no python3)"}`, () => {
  test.each(["127.0.0.1", "0.0.0.0"])(
    "is kept from other programs on %s, and a process can listen on it",
    async (host) => {
      const { port, ...rest } = await reservePort({ host, port: 0 });
      expect([rest, port > 0]).toEqual([{ host }, true]);
      expect(takePort(host, port)).toContain("Address already in use");
      await listenAt(host, port);
    },
  );
});

test("keeps a port that is not 0", async () => {
  expect(await reservePort({ host: "nowhere.invalid", port: 8080 })).toEqual({ host: "nowhere.invalid", port: 8080 });
});

test("rejects when the host is no address of this machine", async () => {
  await expect(reservePort({ host: "192.0.2.1", port: 0 })).rejects.toThrow("EADDRNOTAVAIL");
});
