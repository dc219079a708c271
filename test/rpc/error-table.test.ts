import { statusOf } from "../support/backends/peers.js";
import { errorTable } from "../support/docs/protocol.js";
import { accessErrors } from "./errors/access.js";
import { deadlineErrors } from "./errors/deadlines.js";
import type { ErrorCase } from "./errors/error-case.js";
import { mountErrors } from "./errors/mounts.js";
import { natsErrors } from "./errors/nats.js";
import { receivingErrors } from "./errors/receiving.js";
import { refusals } from "./errors/refusals.js";

const cases: Readonly<Record<string, ErrorCase>> = {
  ...refusals,
  ...mountErrors,
  ...natsErrors,
  ...accessErrors,
  ...deadlineErrors,
  ...receivingErrors,
};
const table = errorTable();

test.each(table.map((row) => [row.rule, row] as const))(
  "%s: both ports fail as docs/protocol/errors.md says",
  async (rule, row) => {
    const run = cases[rule];
    if (run === undefined) throw new Error(`no case provokes ${rule}`);
    expect(statusOf(row.connectCode)).toBe(row.status);
    await run(row);
  },
);

test("E1: every tested error is in the table", () => {
  expect(table.map(({ rule }) => rule)).toEqual(expect.arrayContaining(Object.keys(cases)));
});
