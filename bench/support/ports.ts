import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Ports below the range from which systems give free ones to other programs, which could take a port before its listener does. */
const FIRST_PORT = 20_000;
const PORTS = 12_000;

/** Folder with a file for each port that a process has taken, which holds the process's id. */
const TAKEN = join(tmpdir(), "carillon-ports");

/**
 * Finds free ports for listeners whose addresses must be known before they start. They belong to this process until it ends: no
 * other caller gets them, also while nothing listens.
 */
export async function findFreePorts(count: number): Promise<number[]> {
  mkdirSync(TAKEN, { recursive: true });
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (take(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

function take(port: number): boolean {
  const file = join(TAKEN, String(port));
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    // A process that has ended leaves its files. The next attempt at the port succeeds.
    if (!isRunning(file)) rmSync(file, { force: true });
    return false;
  }
}

function isRunning(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, "utf8")), 0);
    return true;
  } catch {
    return false;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  await once(server.close(), "close");
  return true;
}
