import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { CarillonError } from "../errors.js";
import { errorCode } from "../util/native-error.js";

const NAME = /^lock-[\da-f]{8}$/;
/** Maximum number of bytes in a Unix socket's path: 107 on Linux, 103 on macOS. Node silently truncates longer ones. */
const MAX_PATH_BYTES = 103;

/** Number of attempts, because two processes that start at the same moment may both give way. */
const ATTEMPTS = 5;
/** Base of the random pause between attempts, in milliseconds. */
const PAUSE = 50;

/**
 * Reserves a folder for one process. A lock is a listening Unix socket. The kernel closes it however the process ends,
 * and distinguishes a dead process from a frozen one, also across containers. A file with a process id does neither.
 *
 * Each process first listens on a name of its own, then checks the names of the others. If two processes start together,
 * the one that checks last sees the other. Locks of dead processes are removed. A process whose own lock was removed
 * had looked dead for a moment. It tries again.
 */
export class FolderLock {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws CarillonError failed_precondition when another process has the lock; errors of the file system */
  static async take(folder: string): Promise<FolderLock> {
    for (let attempt = 1; ; attempt += 1) {
      const server = await tryLock(folder);
      if (server !== undefined) return new FolderLock(server);
      if (attempt === ATTEMPTS) {
        throw new CarillonError("failed_precondition", `${folder} is in use by another process`);
      }
      await wait(PAUSE * (1 + Math.random()));
    }
  }

  /** Closes the socket, which also removes its file. */
  async release(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }
}

async function tryLock(folder: string): Promise<Server | undefined> {
  const own = `lock-${randomBytes(4).toString("hex")}`;
  const server = await listen(join(folder, own));
  try {
    const others = (await findLocks(folder)).filter((name) => name !== own);
    for (const name of others) {
      if (!(await isDead(join(folder, name)))) throw new LockTaken();
    }
    if (!(await findLocks(folder)).includes(own)) throw new LockTaken();
    for (const name of others) await rm(join(folder, name), { force: true });
    return server;
  } catch (error) {
    server.close();
    if (error instanceof LockTaken) return undefined;
    throw error;
  }
}

class LockTaken extends Error {}

async function findLocks(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => NAME.test(name));
}

async function listen(path: string): Promise<Server> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    const text = `path ${path} is ${Buffer.byteLength(path) - MAX_PATH_BYTES} bytes too long for a lock`;
    throw new CarillonError("failed_precondition", text);
  }
  const server = createServer((socket) => socket.destroy());
  server.listen(path);
  await once(server, "listening");
  // The lock must not keep the process alive.
  return server.unref();
}

/** Returns true when no process listens on the socket. Other errors count as alive. */
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
