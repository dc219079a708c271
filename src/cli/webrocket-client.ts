import { readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import { CarillonError } from "../errors.js";

/** How long the node may take to answer, in milliseconds. */
const PATIENCE = 10_000;

/** Read, deleted, and made or changed. A redirect need not be followed: its body tells what was made. */
const SUCCESS: ReadonlySet<number> = new Set([200, 202, 302]);

export interface AdminFlags {
  readonly admin: string;
  readonly cookieFile?: string;
  readonly ca?: string;
}

/** What the admin interface tells. */
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
 * Asks the admin interface of a node.
 * @throws CarillonError unavailable: it cannot be reached. deadline_exceeded. Or what it says
 */
export async function askAdmin(method: string, path: string, flags: AdminFlags): Promise<AdminBody> {
  const response = await answerOf(method, path, flags);
  const body = await bodyOf(response);
  const { statusCode: status = 0 } = response;
  if (SUCCESS.has(status)) return body;
  throw new CarillonError(status === 503 ? "unavailable" : "failed_precondition", body.error ?? `status ${status}`);
}

/** The cookie of the file, or of the environment. @throws CarillonError invalid_argument: there is none */
export function readAdminCookie({ cookieFile }: AdminFlags): string {
  const cookie =
    cookieFile === undefined ? process.env["CARILLON_WEBROCKET_COOKIE"] : read("--cookie-file", cookieFile);
  if (cookie !== undefined && /^[!-~][ -~]*$/.test(cookie)) return cookie;
  throw new CarillonError("invalid_argument", "a cookie is needed: in CARILLON_WEBROCKET_COOKIE, or --cookie-file");
}

function answerOf(method: string, path: string, flags: AdminFlags): Promise<IncomingMessage> {
  const url = new URL(path, flags.admin);
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const headers = { "x-webrocket-cookie": readAdminCookie(flags) };
  const ca = flags.ca === undefined ? {} : { ca: read("--ca", flags.ca) };
  return new Promise((resolve, reject) => {
    const request = send(url, { method, headers, agent: false, ...ca });
    request.setTimeout(PATIENCE, () => {
      request.destroy(new CarillonError("deadline_exceeded", `no answer within ${PATIENCE / 1_000} s`));
    });
    request.once("response", resolve);
    request.once("error", (cause) => {
      if (cause instanceof CarillonError) reject(cause);
      else reject(new CarillonError("unavailable", `${flags.admin} cannot be reached: ${cause.message}`, { cause }));
    });
    request.end();
  });
}

async function bodyOf(response: IncomingMessage): Promise<AdminBody> {
  try {
    return JSON.parse(await text(response)) as AdminBody;
  } catch (cause) {
    throw new CarillonError("unavailable", "what answers there is no WebRocket admin interface", { cause });
  }
}

/** Without the line end that editors put there. */
function read(flag: string, file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    throw new CarillonError("invalid_argument", `${flag}: ${file} cannot be read`, { cause });
  }
}
