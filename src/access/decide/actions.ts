/** What a client may be allowed to do with a topic; `call` is to events of workers. */
export const ACTIONS = ["join", "publish", "call", "presence"] as const;

export type Action = (typeof ACTIONS)[number];

/** What a backend's key may be for. */
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
] as const;

export type BackendAction = (typeof BACKEND_ACTIONS)[number];
