import { recordLog } from "../support/nodes/log-records.js";

test("writes level names in JSON records", () => {
  const { log, records } = recordLog("debug");
  for (const level of ["debug", "info", "warn", "error"] as const) log[level](`said at ${level}`);
  expect(records.map(({ level, msg }) => [level, msg])).toEqual(
    ["debug", "info", "warn", "error"].map((level) => [level, `said at ${level}`]),
  );
});
