import { parseMediaType } from "../../net/media-type.js";
import type { RpcMethod } from "../service.js";

/** Protocol and encoding of a request and of its answer. */
export interface RpcForm {
  readonly protocol: "connect" | "grpc-web";
  readonly json: boolean;
  /** Whether each message is preceded by a byte of flags and its length. */
  readonly enveloped: boolean;
  /** Whether the body is base64, for clients that cannot read bytes. */
  readonly text: boolean;
  /** Media type as connect-es expects it: in lower case, without parameters. */
  readonly contentType: string;
}

const CONNECT = /^application\/(?<enveloped>connect\+)?(?<codec>json|proto)$/;
const GRPC_WEB = /^application\/grpc-web(?<text>-text)?(?:\+(?<codec>json|proto))?$/;

/** @returns undefined for a media type of neither protocol, and for JSON in an encoding other than UTF-8 */
export function parseRpcForm(contentType: string | undefined): RpcForm | undefined {
  const { parameters, type = "" } = parseMediaType(contentType ?? "") ?? {};
  const form = connectForm(type) ?? grpcWebForm(type);
  return form?.json === true && !isUtf8(parameters?.get("charset")) ? undefined : form;
}

/** Returns whether a method can be called in this form. Connect has separate media types for streamed answers. */
export function isSupportedForm({ enveloped, protocol }: RpcForm, { desc }: RpcMethod): boolean {
  return protocol === "grpc-web" || enveloped === (desc.methodKind === "server_streaming");
}

/** Lists the media types that a method accepts. */
export function listMediaTypes({ desc }: RpcMethod): readonly string[] {
  const prefix = desc.methodKind === "server_streaming" ? "application/connect+" : "application/";
  const grpcWeb = ["grpc-web", "grpc-web+proto", "grpc-web+json", "grpc-web-text", "grpc-web-text+proto"];
  return [`${prefix}json`, `${prefix}proto`, ...grpcWeb.map((subtype) => `application/${subtype}`)];
}

function connectForm(type: string): RpcForm | undefined {
  const { codec, enveloped } = CONNECT.exec(type)?.groups ?? {};
  if (codec === undefined) return undefined;
  return {
    protocol: "connect",
    json: codec === "json",
    enveloped: enveloped !== undefined,
    text: false,
    contentType: type,
  };
}

function grpcWebForm(type: string): RpcForm | undefined {
  const match = GRPC_WEB.exec(type);
  if (match === null) return undefined;
  const { codec = "proto", text } = match.groups ?? {};
  return {
    protocol: "grpc-web",
    json: codec === "json",
    enveloped: true,
    text: text !== undefined,
    contentType: `application/grpc-web+${codec}`,
  };
}

function isUtf8(charset = "utf-8"): boolean {
  return ["utf-8", "utf8"].includes(charset.toLowerCase());
}
