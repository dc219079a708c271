import type { Clients } from "../../clients/clients.js";
import type { Session } from "../../core/session.js";
import { CarillonError } from "../../errors.js";
import type { Caller, CallHandle, Dispatch, TaskRequest } from "../../workers/dispatch.js";

/**
 * The tasks of client sessions. Calls end with their session. The number of a session's tasks is bounded: calls count until
 * they have ended, and triggers until a worker has them, from when on the worker's capacity bounds them.
 */
export class Calls {
  readonly #dispatch: Dispatch;
  readonly #limit: number;
  /** Counted tasks, and whether the session waits for the outcome. */
  readonly #underWay = new Map<Session, Map<CallHandle, boolean>>();

  /** @param limit - largest number of tasks of one session at a time */
  constructor(dispatch: Dispatch, limit: number, clients: Clients) {
    this.#dispatch = dispatch;
    this.#limit = limit;
    clients.listen({
      onOpened: () => {},
      onClosed: ({ session }) => {
        this.#cancel(session);
      },
    });
  }

  /** @throws CarillonError resource_exhausted: the session has reached its limit */
  checkRoom(session: Session): void {
    if ((this.#underWay.get(session)?.size ?? 0) < this.#limit) return;
    const text = `${this.#limit} tasks of this connection are under way, which is its limit`;
    throw new CarillonError("resource_exhausted", text);
  }

  /**
   * Starts a task. The caller of a call receives nothing after the session has ended.
   * @throws CarillonError resource_exhausted: the session has reached its limit
   */
  ask(session: Session, request: TaskRequest, caller: Required<Omit<Caller, "onGiven">>): void {
    this.checkRoom(session);
    const underWay = this.#underWay.get(session) ?? new Map<CallHandle, boolean>();
    this.#underWay.set(session, underWay);
    const isHeard = (): boolean => session.open || !request.wantsAnswer;
    const handle = this.#dispatch.ask(request, {
      onTaken: () => {
        if (isHeard()) caller.onTaken();
      },
      onGiven: () => {
        this.#end(session, handle);
      },
      onPart: (payload, more) => {
        if (!more) this.#end(session, handle);
        if (isHeard()) caller.onPart(payload, more);
      },
      onFailed: (error) => {
        this.#end(session, handle);
        if (isHeard()) caller.onFailed(error);
      },
    });
    underWay.set(handle, request.wantsAnswer);
  }

  /** Cancels the calls of a session that has ended. Its triggers go on. */
  #cancel(session: Session): void {
    const underWay = this.#underWay.get(session);
    this.#underWay.delete(session);
    for (const [handle, isWaitedFor] of underWay ?? []) if (isWaitedFor) handle.cancel();
  }

  #end(session: Session, handle: CallHandle): void {
    const underWay = this.#underWay.get(session);
    underWay?.delete(handle);
    if (underWay?.size === 0) this.#underWay.delete(session);
  }
}
