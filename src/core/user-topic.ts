/**
 * Topics that clients receive without joining: `$user.ID` reaches all connections of a user, `$connection.ID` one
 * connection. Only backends publish on them.
 */
const USER = "$user.";
const CONNECTION = "$connection.";

/** Longest id of a user or connection, in bytes of UTF-8. */
const MAX_ID_BYTES = 255;

export function userTopic(user: string): string {
  return USER + user;
}

/**
 * Returns the common prefix of the topics of a node's connections.
 * @param node - prefix of the ids of its connections
 */
export function connectionTopics(node: string): string {
  return CONNECTION + node;
}

/** Returns the connection id in the name of a connection's topic. */
export function connectionOfTopic(topic: string): string {
  return topic.slice(CONNECTION.length);
}

export function isConnectionTopic(name: string): boolean {
  return name.startsWith(CONNECTION);
}

/** Replaces the id in the name of a connection's topic; returns any other name unchanged. */
export function mapConnectionTopic(name: string, toId: (id: string) => string): string {
  return isConnectionTopic(name) ? CONNECTION + toId(connectionOfTopic(name)) : name;
}

/** Whether the name is a valid user or connection topic. Ids of users may contain white space. */
export function isUserTopic(name: string): boolean {
  const id = name.startsWith(USER) ? name.slice(USER.length) : parseConnectionId(name);
  return id !== "" && Buffer.byteLength(id) <= MAX_ID_BYTES && !/[\p{Cc}\p{Surrogate}]/u.test(id);
}

function parseConnectionId(name: string): string {
  return isConnectionTopic(name) ? connectionOfTopic(name) : "";
}
