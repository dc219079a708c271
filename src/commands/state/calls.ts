import type { Clients } from "../../clients/clients.js";
import type { Session } from "../../core/session.js";
import { CarillonError } from "../../errors.js";
import type { Caller, CallHandle, Dispatch, TaskRequest } from "../../workers/dispatch.js";

/**
 * The tasks of client sessions. Calls are cancelled when their session ends. The number of a session's pending tasks is
 * bounded. A call counts until it has ended. A trigger counts until a worker has it, because the worker's capacity bounds it
 * from then on.
 */
export class Calls {
  readonly #dispatch: Dispatch;
  readonly #limit: () => number;
  /** Counted tasks by session. The value is true where the session waits for the outcome. */
  readonly #pending = new Map<Session, Map<CallHandle, boolean>>();

  /** @param limit - returns the maximum number of counted tasks of one session */
  constructor(dispatch: Dispatch, limit: () => number, clients: Clients) {
    this.#dispatch = dispatch;
    this.#limit = limit;
    clients.listen({
      onOpened: () => {},
      onClosed: ({ session }) => {
        this.#cancel(session);
      },
    });
  }

  /** Checks that a session may start a task. @throws CarillonError resource_exhausted: the session has reached its limit */
  checkLimit(session: Session): void {
    const limit = this.#limit();
    if ((this.#pending.get(session)?.size ?? 0) < limit) return;
    const text = `this connection has reached its limit of ${limit} pending tasks`;
    throw new CarillonError("resource_exhausted", text);
  }

  /** Whether a session waits for the answer to a call. */
  isWaiting(session: Session): boolean {
    for (const isWaitedFor of this.#pending.get(session)?.values() ?? []) if (isWaitedFor) return true;
    return false;
  }

  /**
   * Starts a task. After the session has ended, the caller of a call receives nothing.
   * @throws CarillonError resource_exhausted: the session has reached its limit
   */
  start(session: Session, request: TaskRequest, caller: Required<Omit<Caller, "onAssigned">>): void {
    this.checkLimit(session);
    const pending = this.#pending.get(session) ?? new Map<CallHandle, boolean>();
    this.#pending.set(session, pending);
    const isListening = (): boolean => session.open || !request.wantsAnswer;
    const handle = this.#dispatch.startTask(request, {
      onTaken: () => {
        if (isListening()) caller.onTaken();
      },
      onAssigned: () => {
        this.#end(session, handle);
      },
      onPart: (payload, more) => {
        if (!more) this.#end(session, handle);
        if (isListening()) caller.onPart(payload, more);
      },
      onFailed: (error) => {
        this.#end(session, handle);
        if (isListening()) caller.onFailed(error);
      },
    });
    pending.set(handle, request.wantsAnswer);
  }

  /** Cancels the calls of a session that has ended. Its triggers continue. */
  #cancel(session: Session): void {
    const pending = this.#pending.get(session);
    this.#pending.delete(session);
    for (const [handle, isWaitedFor] of pending ?? []) if (isWaitedFor) handle.cancel();
  }

  #end(session: Session, handle: CallHandle): void {
    const pending = this.#pending.get(session);
    pending?.delete(handle);
    if (pending?.size === 0) this.#pending.delete(session);
  }
}
