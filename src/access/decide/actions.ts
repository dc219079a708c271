/** Actions of a client on a topic; for `call`, on a workers' event. */
export const ACTIONS = ["join", "publish", "call", "presence", "history"] as const;

export type Action = (typeof ACTIONS)[number];

/** Actions that a backend's key may allow. */
export const BACKEND_ACTIONS = [
  "publish",
  "tokens",
  "connections",
  "topics",
  "channels",
  "keys",
  "vhosts",
  "call",
  "presence",
  "work",
  "history",
  "subscribe",
  "admin",
] as const;

export type BackendAction = (typeof BACKEND_ACTIONS)[number];
