import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { countAcceptedBytes } from "../../../src/transport/http/unread-answers.js";
import type { TestAdmission } from "./test-admission.js";

/** Slightly less than the interval between two checks of an answer that may stand still for a second, in milliseconds. */
const REST = 999;

/** A peer takes some of an answer, which the system notices, and then nothing for nearly the second that it has. */
export async function takeSome(
  { answerClock: clock }: TestAdmission,
  response: ServerResponse,
  peer: Socket,
): Promise<void> {
  const taken = (): number | undefined => (response.socket === null ? undefined : countAcceptedBytes(response.socket));
  const before = taken();
  peer.resume();
  while (!response.writableFinished && taken() === before) await nextTurn();
  peer.pause();
  clock.advance(REST);
}

/** Lets time pass in steps, each with a turn of the event loop, until the answer's connection is cut. */
export async function passUntilCut({ answerClock: clock }: TestAdmission, response: ServerResponse): Promise<void> {
  while (!response.closed) {
    clock.advance(100);
    await nextTurn();
  }
}
