import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const path = process.env["GRPCURL"] ?? findOnPath();
const missing = process.env["GRPCURL_MISSING"] ?? (path === undefined ? "no grpcurl on the PATH" : undefined);

/** Groups tests that need grpcurl. Without it they are skipped, and the group's title says why. */
export function ifGrpcurl(title: string, tests: () => void): void {
  const group = missing === undefined ? describe : describe.skip;
  group(missing === undefined ? title : `${title} (skipped: ${missing})`, tests);
}

/** Runs grpcurl without TLS. @returns its output; rejects with its error output */
export function grpcurl(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(path ?? "grpcurl", ["-plaintext", ...args], (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr, { cause: error }));
    });
  });
}

function findOnPath(): string | undefined {
  const candidates = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "grpcurl"));
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
