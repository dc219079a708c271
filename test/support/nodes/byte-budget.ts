import { ByteBudget, type OpenRequestLease } from "../../../src/net/byte-budget.js";

/** A budget that no test uses up by itself. */
export function ampleBudget(): ByteBudget {
  return new ByteBudget(1_024 * 1_024 * 1_024);
}

/** Opens leases of an ample budget. */
export function ampleLeases(): OpenRequestLease {
  const budget = ampleBudget();
  return (_request, key) => budget.open({ address: "127.0.0.1", key });
}
