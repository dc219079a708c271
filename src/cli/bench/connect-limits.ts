import { CarillonError } from "../../errors.js";

/** Files that Node opens itself, with some to spare. */
const OTHER_FILES = 50;

/**
 * Checks that the process may open a file for each connection.
 * @throws CarillonError resource_exhausted
 */
export function checkOpenFiles(clients: number, publishers: number): void {
  const limit = readOpenFileLimit();
  const needed = clients + publishers + OTHER_FILES;
  if (needed <= limit) return;
  const possible = Math.max(0, limit - publishers - OTHER_FILES);
  throw new CarillonError(
    "resource_exhausted",
    `${clients} clients need ${needed} open files, but this process may have ${limit}: ` +
      `at most ${possible} clients are possible; raise the limit with: ulimit -n ${needed}`,
  );
}

/** Returns the maximum number of files that the process may open; infinity if the system reports none. */
function readOpenFileLimit(): number {
  const report = process.report.getReport() as unknown as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | string } };
  };
  const limit = Number(report.userLimits?.open_files?.soft);
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit;
}

/** Explains why not all clients could connect. @param system - code of the system's error, such as `EMFILE` */
export function explainConnectFailure(error: CarillonError, connected: number, clients: number): CarillonError {
  const hint = HINTS[String(error.cause)];
  const message = `${connected} of ${clients} clients connected, then: ${error.message}${hint === undefined ? "" : `; ${hint}`}`;
  return new CarillonError(error.code, message, { cause: error });
}

const HINTS: Readonly<Record<string, string>> = {
  EMFILE: "too few files may be open: raise the limit with ulimit -n",
  ENFILE: "the system has too many open files",
  EADDRNOTAVAIL: "the local ports are used up, or the address of --from is not one of this machine",
  ECONNREFUSED: "is a node running there?",
};
