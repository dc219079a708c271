import { EventEmitter } from "node:events";
import { compact } from "../../../transport/receiving/receiver-parts.js";
import { isObject } from "../../../util/json.js";
import { parseJson } from "../../json.js";

/** Types of Socket.IO's packets (protocol 5). */
const CONNECT = 0;
const DISCONNECT = 1;
const EVENT = 2;
const ACK = 3;
const BINARY_EVENT = 5;
const BINARY_ACK = 6;

/** Head of a packet: type, number of attachments, namespace, id of the acknowledgement. JSON follows. */
const HEAD = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*)(?:,|$))?(\d*)/;

const MAX_ATTACHMENTS = 10;

/** Longest path of a vhost, in characters. */
const MAX_NAMESPACE = 255;

/**
 * Longest payload of a CONNECT packet, in characters. It is limited because the library keeps it. Node allows headers of the
 * same size.
 */
const MAX_AUTH = 16_384;

/** Name under which the library emits every event, so that clients cannot choose the names of events on its emitters. */
export const CLIENT_EVENT = "event";

/** Arguments of {@link CLIENT_EVENT}. */
export type ClientEvent = (text: string, acknowledge: number | undefined, attachments: readonly Uint8Array[]) => void;

/** Client of a decoder. */
export interface DecodedClient {
  /** Revision of Engine.IO. */
  readonly protocol: number;
  /** Called for each connect request. @throws Error to refuse the request before the library reads it */
  requestNamespace(namespace: string): void;
  /** Counts bytes of a packet with missing attachments. @throws Error when the node's budget is exhausted */
  takeBytes(bytes: number): void;
  /** Releases bytes that {@link takeBytes} has counted. */
  giveBytes(bytes: number): void;
}

/** Packet in the library's format. */
interface Packet {
  readonly type: number;
  readonly nsp: string;
  readonly data?: unknown;
}

interface PartialPacket {
  readonly type: number;
  readonly namespace: string;
  readonly text: string;
  readonly acknowledge: number | undefined;
  readonly awaited: number;
  readonly attachments: Uint8Array[];
}

/**
 * Creates the parser that replaces the library's own. Events remain JSON text as received, so that the dialect can read
 * events of any depth and name. An invalid packet throws, and the library then ends the connection.
 * @param limit - largest total size of an event and its attachments, in bytes
 * @param clientOf - called for each new decoder. Returns the client of its packets
 */
export function packetParser(limit: number, clientOf: () => DecodedClient | undefined = () => undefined): PacketParser {
  return {
    Encoder: PacketEncoder,
    Decoder: class extends PacketDecoder {
      constructor() {
        super(limit, clientOf());
      }
    },
  };
}

/** Parser for the library, which creates one encoder, and a decoder for each connection. */
export interface PacketParser {
  readonly Encoder: new () => PacketEncoder;
  readonly Decoder: new () => PacketDecoder;
}

/** Encodes the library's own packets: connected, refused, disconnected. */
export class PacketEncoder {
  encode({ data, nsp, type }: Packet): string[] {
    const namespace = nsp === "/" ? "" : `${nsp},`;
    return [`${type}${namespace}${data === undefined ? "" : JSON.stringify(data)}`];
  }
}

export class PacketDecoder extends EventEmitter {
  readonly #limit: number;
  readonly #client: DecodedClient | undefined;
  #begun: PartialPacket | undefined;
  #bytes = 0;

  constructor(limit: number, client: DecodedClient | undefined) {
    super();
    this.#limit = limit;
    this.#client = client;
  }

  /** @throws Error for an invalid packet */
  add(chunk: unknown): void {
    if (typeof chunk === "string") this.#addText(chunk);
    else if (chunk instanceof Uint8Array) this.#addAttachment(chunk);
    else throw new Error("neither text nor bytes");
  }

  destroy(): void {
    this.#end();
  }

  #addText(text: string): void {
    if (this.#begun !== undefined) throw new Error("an attachment is missing");
    const [head = "", digit, attachments, target = "/", id = ""] = HEAD.exec(text) ?? [];
    if (digit === undefined) throw new Error("malformed packet");
    const [namespace, query] = this.#client?.protocol === 3 ? split(target) : [target, ""];
    if (namespace.length > MAX_NAMESPACE || query.length > MAX_AUTH) throw new Error("invalid namespace");
    const type = Number(digit);
    const isBinary = type === BINARY_EVENT || type === BINARY_ACK;
    const awaited = Number(attachments ?? 0);
    if (isBinary !== (attachments !== undefined) || (isBinary && (awaited < 1 || awaited > MAX_ATTACHMENTS))) {
      throw new Error("invalid number of attachments");
    }
    const acknowledge = id === "" ? undefined : Number(id);
    if (acknowledge !== undefined && !Number.isSafeInteger(acknowledge)) throw new Error("invalid acknowledgement id");
    const rest = text.slice(head.length);
    if (type === EVENT) this.#emitEvent({ namespace, text: rest, acknowledge, attachments: [] });
    else if (isBinary) this.#begin({ type, namespace, text: rest, acknowledge, awaited, attachments: [] });
    else if (type === CONNECT) this.#connect(namespace, query, parseAuth(rest));
    else if (type === DISCONNECT) this.#emit({ type, nsp: namespace });
    // Acknowledgements from clients are ignored, because the node never requests any.
    else if (type !== ACK) throw new Error("packet type not allowed from clients");
  }

  #connect(namespace: string, query: string, auth: object | undefined): void {
    this.#client?.requestNamespace(namespace);
    this.#emit({ type: CONNECT, nsp: namespace + query, data: auth });
  }

  #begin(begun: PartialPacket): void {
    this.#take(begun.text.length);
    this.#begun = begun;
  }

  #take(bytes: number): void {
    this.#client?.takeBytes(bytes);
    this.#bytes += bytes;
  }

  #end(): void {
    this.#client?.giveBytes(this.#bytes);
    this.#begun = undefined;
    this.#bytes = 0;
  }

  #addAttachment(bytes: Uint8Array): void {
    const begun = this.#begun;
    if (begun === undefined) throw new Error("unexpected attachment");
    if (this.#bytes + bytes.length > this.#limit) throw new Error("too large");
    this.#take(bytes.length);
    begun.attachments.push(compact(bytes));
    if (begun.attachments.length < begun.awaited) return;
    this.#end();
    if (begun.type === BINARY_EVENT) this.#emitEvent(begun);
  }

  #emitEvent({ acknowledge, attachments, namespace, text }: Omit<PartialPacket, "type" | "awaited">): void {
    this.#emit({ type: EVENT, nsp: namespace, data: [CLIENT_EVENT, text, acknowledge, attachments] });
  }

  #emit(packet: Packet): void {
    this.emit("decoded", packet);
  }
}

/**
 * Splits the target of a connect request of Engine.IO 3 into the namespace and its query, which the library uses as the payload.
 * @throws Error when the library would normalise the path to another one
 */
function split(target: string): readonly [namespace: string, query: string] {
  const at = target.indexOf("?");
  const [path, query] = at === -1 ? [target, ""] : [target.slice(0, at), target.slice(at)];
  if (path !== "/" && new URL(path, "https://host").pathname !== path) throw new Error("invalid namespace");
  return [path, query];
}

/** Parses the payload of a CONNECT packet. */
function parseAuth(text: string): object | undefined {
  if (text === "") return undefined;
  if (text.length > MAX_AUTH) throw new Error("too large");
  const auth = parseJson(text);
  if (!isObject(auth)) throw new Error("auth: not a JSON object");
  return auth;
}
