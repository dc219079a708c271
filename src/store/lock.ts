import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { CarillonError } from "../errors.js";
import { errorCode } from "../util/native-error.js";

const NAME = /^lock-[\da-f]{8}$/;
/** A Unix socket's path has at most 107 bytes (Linux), 103 (macOS); Node cuts off longer ones without a word. */
const LONGEST_PATH = 103;

/** Two that start at the same moment may both give way; milliseconds. */
const ATTEMPTS = 5;
const PAUSE = 50;

/**
 * Keeps a folder to one process. A lock is a Unix socket that somebody listens on: the kernel ends that with the process
 * whichever way it ends, and tells it apart from one that is frozen, also for processes in other containers. Numbers of
 * processes in files do neither.
 *
 * Each process listens on a name of its own first and looks at the others' then. Of two, the one that looks last sees
 * the other. Locks of dead processes are removed; who finds his own removed looked dead for a moment, and begins again.
 */
export class FolderLock {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws CarillonError failed_precondition when another process has it, or what the file system throws */
  static async take(folder: string): Promise<FolderLock> {
    for (let attempt = 1; ; attempt += 1) {
      const server = await tryToTake(folder);
      if (server !== undefined) return new FolderLock(server);
      if (attempt === ATTEMPTS) {
        throw new CarillonError("failed_precondition", `${folder} is in use by another process`);
      }
      await wait(PAUSE * (1 + Math.random()));
    }
  }

  /** The socket is removed with it. */
  async release(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }
}

async function tryToTake(folder: string): Promise<Server | undefined> {
  const own = `lock-${randomBytes(4).toString("hex")}`;
  const server = await listen(join(folder, own));
  try {
    const others = (await locksIn(folder)).filter((name) => name !== own);
    for (const name of others) {
      if (!(await isDead(join(folder, name)))) throw new Taken();
    }
    if (!(await locksIn(folder)).includes(own)) throw new Taken();
    for (const name of others) await rm(join(folder, name), { force: true });
    return server;
  } catch (error) {
    server.close();
    if (error instanceof Taken) return undefined;
    throw error;
  }
}

class Taken extends Error {}

async function locksIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => NAME.test(name));
}

async function listen(path: string): Promise<Server> {
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    const text = `the path ${path} is ${Buffer.byteLength(path) - LONGEST_PATH} bytes too long for a lock`;
    throw new CarillonError("failed_precondition", text);
  }
  const server = createServer((socket) => socket.destroy());
  server.listen(path);
  await once(server, "listening");
  // It must not keep the process alive.
  return server.unref();
}

/** Nobody listens. Anything else that goes wrong says nothing of that. */
async function isDead(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return false;
  } catch (error) {
    const code = errorCode(error);
    return code === "ECONNREFUSED" || code === "ENOENT";
  } finally {
    socket.destroy();
  }
}
