/** Methods that the dashboard may call: those that only read. */
export const READING: readonly string[] = [
  "/carillon.v1.MetricsService/WatchMetrics",
  "/carillon.v1.ControlService/ListConnections",
  "/carillon.v1.ControlService/GetConnection",
  "/carillon.v1.ControlService/ExplainAccess",
  "/carillon.v1.ControlService/ListTopics",
  "/carillon.v1.ControlService/ListKeys",
  "/carillon.v1.ControlService/ListVhosts",
  "/carillon.v1.WorkerService/ListWorkers",
  "/carillon.v1.PresenceService/GetPresence",
  "/carillon.v1.HistoryService/ReadHistory",
  "/carillon.v1.SubscribeService/Subscribe",
];

/** Methods that it may call besides where `admin.actions` is on. */
export const ACTING: readonly string[] = [
  "/carillon.v1.ControlService/Disconnect",
  "/websockets.v1.BroadcastService/Publish",
];
