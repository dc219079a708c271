/**
 * Topics that nobody joins: `$user.ID` is heard by all connections of a user, `$connection.ID` by that connection. Backends
 * publish on them.
 */
const USER = "$user.";
const CONNECTION = "$connection.";

/** Longest id of a user or connection, in bytes of UTF-8. */
const MAX_ID_BYTES = 255;

export function userTopic(user: string): string {
  return USER + user;
}

/**
 * The topic below which those of a node's connections are.
 * @param node - what the ids of its connections begin with
 */
export function connectionTopics(node: string): string {
  return CONNECTION + node;
}

/** Of a connection's topic, its id. */
export function connectionOfTopic(topic: string): string {
  return topic.slice(CONNECTION.length);
}

export function isConnectionTopic(name: string): boolean {
  return name.startsWith(CONNECTION);
}

/** The topic of a connection with its id written otherwise; any other name as it is. */
export function mapConnectionTopic(name: string, toId: (id: string) => string): string {
  return isConnectionTopic(name) ? CONNECTION + toId(connectionOfTopic(name)) : name;
}

/** Whether the name is one of a topic that nobody joins: users have ids with white space in them, too. */
export function isUserTopic(name: string): boolean {
  const id = name.startsWith(USER) ? name.slice(USER.length) : connectionIdOf(name);
  return id !== "" && Buffer.byteLength(id) <= MAX_ID_BYTES && !/[\p{Cc}\p{Surrogate}]/u.test(id);
}

function connectionIdOf(name: string): string {
  return isConnectionTopic(name) ? connectionOfTopic(name) : "";
}
