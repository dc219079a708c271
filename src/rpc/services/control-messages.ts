import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ConnectionChange,
  type ConnectionSchema,
  type ExplainAccessRequest,
  type KeySchema,
  type Target as TargetMessage,
  type VhostSchema,
  type WatchConnectionsResponseSchema,
} from "../../../gen/carillon/v1/control_pb.js";
import type { PermissionsSchema } from "../../../gen/carillon/v1/types_pb.js";
import { readPermissions } from "../../access/jwt/claims.js";
import type { ExplainedCaller } from "../../control/access-explanations.js";
import type { ConnectionInfo } from "../../control/connection-info.js";
import type { Target } from "../../control/target.js";
import type { WatchEvent } from "../../control/watches.js";
import { invalidArgument } from "../../errors.js";
import type { KeyDescription, VhostDescription } from "../../vhosts/vhost-admin.js";
import { infoFields, toStruct, toTimestamp } from "../values.js";

/** Messages of carillon.v1.ControlService. */

export function toConnectionMessage(connection: ConnectionInfo): MessageInitShape<typeof ConnectionSchema> {
  const { connected, expires, info, published = 0, user, ...same } = connection;
  return {
    ...same,
    published: BigInt(published),
    user: user ?? "",
    ...infoFields(info),
    connected: toTimestamp(connected),
    ...(expires === null ? {} : { expires: toTimestamp(expires) }),
  };
}

/** @returns undefined if the message names no target */
export function readTarget(message: TargetMessage | undefined): Target | undefined {
  const target = message?.target;
  if (target?.case === undefined) return undefined;
  return target.case === "user" ? { user: target.value } : { connectionId: target.value };
}

/** @throws CarillonError invalid_argument: no client, or invalid permissions */
export function readExplainedCaller(client: ExplainAccessRequest["client"]): ExplainedCaller {
  if (client.case === "connectionId") return { connectionId: client.value };
  if (client.case === "anonymous") return { anonymous: true };
  if (client.case === undefined) throw invalidArgument("client: expected connection_id, permissions or anonymous");
  const { call, history, join, presence, publish } = client.value;
  return { permissions: readPermissions({ call, history, join, presence, publish }, "permissions") };
}

export function toPermissionsMessage(
  grants: Readonly<Record<string, readonly string[]>>,
): MessageInitShape<typeof PermissionsSchema> {
  return Object.fromEntries(Object.entries(grants).map(([action, patterns]) => [action, [...patterns]]));
}

export function toWatchAnswer(event: WatchEvent): MessageInitShape<typeof WatchConnectionsResponseSchema> {
  if (event.change === "caught_up") return { change: ConnectionChange.CAUGHT_UP };
  return {
    connection: toConnectionMessage(event.connection),
    change: CHANGES[event.change],
    code: event.change === "closed" ? event.code : 0,
  };
}

const CHANGES = {
  open: ConnectionChange.OPEN,
  opened: ConnectionChange.OPENED,
  closed: ConnectionChange.CLOSED,
} as const;

export function toVhostMessage({ configured, path, settings }: VhostDescription): MessageInitShape<typeof VhostSchema> {
  return { path, settings: toStruct(settings), configured };
}

export function toKeyMessage(key: KeyDescription): MessageInitShape<typeof KeySchema> {
  const { actions, configured, created, id, lastUsed, name, topics } = key;
  return {
    id,
    name,
    actions: [...actions],
    topics: [...topics],
    configured,
    ...(created === undefined ? {} : { created: toTimestamp(created) }),
    ...(lastUsed === undefined ? {} : { lastUsed: toTimestamp(lastUsed) }),
  };
}
