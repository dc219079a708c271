import type { DispatchLimits } from "../../../src/workers/limits.js";
import type { TestDispatch, TestWorker } from "../../workers/support.js";

export interface SetUpOptions {
  readonly limits?: Partial<DispatchLimits>;
  readonly acknowledgeWithin?: number;
}

/** Starts one or several nodes that know each other. */
export type SetUp = (options?: SetUpOptions) => Promise<readonly TestDispatch[]>;

/** The nodes of a test. */
export interface DispatchNodes {
  readonly nodes: readonly TestDispatch[];
  /** Node of the caller. */
  readonly near: TestDispatch;
  /** Node of the workers: another one, if there are several. */
  readonly far: TestDispatch;
}

/** Starts the nodes of a test. */
export type StartNodes = (options?: SetUpOptions) => Promise<DispatchNodes>;

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

/** Answers a task with a text. */
export function end({ registration }: TestWorker, id: string, text: string): void {
  registration.answer(id, bytes(text), false);
}

/** Waits until no node holds anything of any task, and expects that none had an internal error. */
export async function expectNothingLeft(nodes: readonly TestDispatch[]): Promise<void> {
  while (nodes.some(({ dispatch }) => dispatch.requested + dispatch.waiting + dispatch.working > 0)) {
    await new Promise(setImmediate);
  }
  expect(nodes.flatMap(({ errors }) => errors)).toEqual([]);
}
