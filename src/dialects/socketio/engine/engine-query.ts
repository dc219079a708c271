import { invalidArgument } from "../../../errors.js";

/** Query of an Engine.IO request. */
export interface EngineQuery {
  /** Revision of Engine.IO. */
  readonly protocol: 3 | 4;
  readonly transport: "polling" | "websocket";
  /** Id of the connection, which is the client's secret; "" for a new connection. */
  readonly sid: string;
}

/**
 * Reads the query as the library does, which treats every version other than 4 as 3, and uses the last of several values.
 * @throws CarillonError invalid_argument
 */
export function readEngineQuery(query: URLSearchParams): EngineQuery {
  const version = readSingle(query, "EIO");
  if (version !== "3" && version !== "4")
    throw invalidArgument("unsupported Engine.IO version; supported: EIO=4 and EIO=3");
  // JSONP would let pages of any origin read answers, because requests for scripts carry no Origin header.
  if (query.has("j")) throw invalidArgument("JSONP is not supported");
  const transport = readSingle(query, "transport");
  if (transport !== "polling" && transport !== "websocket") {
    throw invalidArgument("unknown transport; supported: polling and websocket");
  }
  return { protocol: version === "3" ? 3 : 4, transport, sid: readSingle(query, "sid") ?? "" };
}

function readSingle(query: URLSearchParams, name: string): string | undefined {
  const [value, ...more] = query.getAll(name);
  if (more.length > 0) throw invalidArgument(`more than one ${name}`);
  return value;
}
