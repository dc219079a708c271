import { readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import { CarillonError } from "../../../errors.js";

/** Time for the node to answer, in milliseconds. */
const TIMEOUT = 10_000;

/** Statuses of a read, a deletion, and a change. A redirect need not be followed, because its body contains the result. */
const SUCCESS: ReadonlySet<number> = new Set([200, 202, 302]);

/** Environment variable with the cookie. */
export const COOKIE_VARIABLE = "CARILLON_WEBROCKET_COOKIE";

/** Options of all commands, by name: `admin`, `cookieFile`, `ca`. */
export type AdminFlags = Readonly<Record<string, string>>;

/** Answer of the admin interface. */
export interface AdminBody {
  readonly vhost?: AdminVhost;
  readonly vhosts?: readonly AdminVhost[];
  readonly channels?: readonly { readonly name: string }[];
  readonly workers?: readonly AdminWorker[];
  readonly more?: boolean;
  readonly missing?: readonly string[];
  readonly error?: string;
}

interface AdminVhost {
  readonly path: string;
  readonly accessToken: string | null;
}

interface AdminWorker {
  readonly id: string;
  readonly name: string;
  readonly node: string;
  readonly events: readonly string[];
  readonly answers: boolean;
}

/**
 * Sends a request to the admin interface of a node.
 * @throws CarillonError unavailable: the node cannot be reached; deadline_exceeded: no answer in time; failed_precondition:
 * the request was refused
 */
export async function askAdmin(method: string, path: string, flags: AdminFlags): Promise<AdminBody> {
  const response = await send(method, path, flags);
  const body = await parseBody(response);
  const { statusCode: status = 0 } = response;
  if (SUCCESS.has(status)) return body;
  throw new CarillonError(status === 503 ? "unavailable" : "failed_precondition", body.error ?? `status ${status}`);
}

/** Reads the cookie from the file, or from the environment. @throws CarillonError invalid_argument: no valid cookie */
function readAdminCookie({ cookieFile }: AdminFlags): string {
  const cookie = cookieFile === undefined ? process.env[COOKIE_VARIABLE] : read("--cookie-file", cookieFile);
  if (cookie !== undefined && /^[!-~][ -~]*$/.test(cookie)) return cookie;
  throw new CarillonError("invalid_argument", `missing cookie: set ${COOKIE_VARIABLE} or --cookie-file`);
}

function send(method: string, path: string, flags: AdminFlags): Promise<IncomingMessage> {
  const { admin, ca: caFile } = flags;
  const url = new URL(path, admin);
  const open = url.protocol === "https:" ? httpsRequest : httpRequest;
  const headers = { "x-webrocket-cookie": readAdminCookie(flags) };
  const ca = caFile === undefined ? {} : { ca: read("--ca", caFile) };
  return new Promise((resolve, reject) => {
    const request = open(url, { method, headers, agent: false, ...ca });
    request.setTimeout(TIMEOUT, () => {
      request.destroy(new CarillonError("deadline_exceeded", `no answer within ${TIMEOUT / 1_000} s`));
    });
    request.once("response", resolve);
    request.once("error", (cause) => {
      if (cause instanceof CarillonError) reject(cause);
      else reject(new CarillonError("unavailable", `${admin} cannot be reached: ${cause.message}`, { cause }));
    });
    request.end();
  });
}

async function parseBody(response: IncomingMessage): Promise<AdminBody> {
  try {
    return JSON.parse(await text(response)) as AdminBody;
  } catch (cause) {
    throw new CarillonError("unavailable", "this server is not a WebRocket admin interface", { cause });
  }
}

/** Reads a file without its final line break. */
function read(flag: string, file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    throw new CarillonError("invalid_argument", `${flag}: ${file} cannot be read`, { cause });
  }
}
