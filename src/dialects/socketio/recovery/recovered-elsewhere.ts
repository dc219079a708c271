import type { ChosenClose, CloseReason } from "../../../errors.js";

/**
 * Close frame of a session whose client has come back on another connection. Its own connection is nearly always lost. Should
 * it be the client's newest one after all, the client reconnects.
 */
export const RECOVERED_ELSEWHERE: ChosenClose = { code: 1_000, text: "recovered on another connection" };

/** Whether a session ended because its client has come back on another connection. */
export function isRecoveredElsewhere(reason: CloseReason | ChosenClose): boolean {
  if (typeof reason === "string") return false;
  return reason.code === RECOVERED_ELSEWHERE.code && reason.text === RECOVERED_ELSEWHERE.text;
}
