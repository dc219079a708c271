import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join } from "node:path";

let session: Session | undefined;

/** Requests for CPU profiles that a server answers. The profile starts on request, so that it excludes connecting. */
export const PROFILER = {
  async beginProfile(): Promise<void> {
    if (session !== undefined) return;
    session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
  },

  async endProfile(folder: string): Promise<void> {
    if (session === undefined) return;
    const { profile } = await session.post("Profiler.stop");
    writeFileSync(join(folder, `${process.pid}.cpuprofile`), JSON.stringify(profile));
    session.disconnect();
    session = undefined;
  },
};
