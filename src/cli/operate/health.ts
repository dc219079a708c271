import { readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { CarillonError } from "../../errors.js";
import { Networks } from "../../net/networks.js";
import { LOCAL_PROXY_HEADER } from "../../net/proxy-header.js";
import { loadConfig } from "../../server/config.js";
import { formatAddress } from "../../util/address.js";
import { errorText } from "../../util/native-error.js";
import { findConfigFile } from "../config-file.js";
import { EXIT, fail, toExitCode } from "../exit-code.js";

export interface HealthFlags {
  readonly config?: string;
  readonly server?: string;
  readonly ca?: string;
  readonly ready?: true;
  /** Milliseconds. */
  readonly wait?: number;
}

/** Milliseconds in which a node must answer. */
const ANSWER_TIMEOUT = 4_000;

/** Milliseconds between two requests while waiting. */
const PAUSE = 500;

/** Maximum number of bytes of an answer that are printed: reasons for not being ready. */
const MAX_BYTES = 4_096;

/** Addresses that stand for all interfaces, each with the one to connect to. */
const ALL_INTERFACES: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

interface Target {
  readonly url: URL;
  readonly options: Pick<RequestOptions, "ca" | "createConnection" | "rejectUnauthorized">;
}

/** Asks a node whether it lives or, with --ready, can serve. The exit code is 0 if so, 1 if not, 3 if it does not answer. */
export async function healthCommand(flags: HealthFlags): Promise<void> {
  let target: Target;
  try {
    target = findTarget(flags);
  } catch (error) {
    fail(error, EXIT.usage);
    return;
  }
  const end = performance.now() + (flags.wait ?? 0);
  for (;;) {
    try {
      process.stdout.write(await ask(target));
      return;
    } catch (error) {
      if (performance.now() + PAUSE > end) {
        fail(error, toExitCode(error));
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

function findTarget({ ca, config, ready, server }: HealthFlags): Target {
  const path = ready === true ? "/readyz" : "/healthz";
  if (server !== undefined) {
    return { url: new URL(`${server}${path}`), options: ca === undefined ? {} : { ca: readFileSync(ca) } };
  }
  const loaded = loadConfig({ file: findConfigFile(config), environment: process.env });
  const { port, ...listening } = loaded.admin.listen ?? loaded.http;
  if (port === 0) throw new CarillonError("invalid_argument", "the configured port is 0: pass --server");
  const host = ALL_INTERFACES[listening.host] ?? listening.host;
  const secure = loaded.tls !== undefined;
  // This connection comes from the address that it goes to.
  const isProxy = loaded.proxy_protocol && new Networks(loaded.trusted_proxies).includes(host);
  return {
    url: new URL(path, `${secure ? "https" : "http"}://${formatAddress({ host, port })}`),
    options: {
      // The certificate is not checked, because it names the host that clients use. The request has no secrets.
      rejectUnauthorized: false,
      ...(isProxy ? { createConnection: () => connectAsProxy(host, port, secure) } : {}),
    },
  };
}

/** Connects to a node that takes this machine for a trusted proxy. */
function connectAsProxy(host: string, port: number, secure: boolean): Socket {
  const socket = connect(port, host);
  socket.write(LOCAL_PROXY_HEADER);
  return secure ? connectTls({ socket, rejectUnauthorized: false }) : socket;
}

/** @throws CarillonError unavailable: no answer; failed_precondition: an answer other than 200 */
async function ask({ options, url }: Target): Promise<string> {
  const { body, status } = await get(url, options).catch((error: unknown) => {
    throw new CarillonError("unavailable", `${url.origin} does not answer: ${errorText(error)}`);
  });
  if (status === 200) return body;
  throw new CarillonError("failed_precondition", status === 503 ? body.trimEnd() : `${url.href} answered ${status}`);
}

function get(url: URL, options: RequestOptions): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT);
    // Node ignores `createConnection` where an agent is given.
    const agent = options.createConnection === undefined ? false : undefined;
    const request = send(url, { ...options, agent, signal }, (response: IncomingMessage) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body = (body + text).slice(0, MAX_BYTES);
      });
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on("error", reject);
    request.end();
  });
}
