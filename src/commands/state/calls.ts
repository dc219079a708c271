import type { Clients } from "../../clients/clients.js";
import type { Session } from "../../core/session.js";
import { CarillonError } from "../../errors.js";
import type { Caller, CallHandle, Dispatch, TaskRequest } from "../../workers/dispatch.js";

/**
 * What sessions have asked workers for. What they wait for ends with them. A session may have so much under way at a time:
 * calls until they have ended, and triggers until a worker has them, from when on the worker's capacity bounds them.
 */
export class Calls {
  readonly #dispatch: Dispatch;
  readonly #limit: number;
  /** What counts, and whether the session waits for it. */
  readonly #underWay = new Map<Session, Map<CallHandle, boolean>>();

  /** @param limit - most tasks of one session at a time */
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

  /** @throws CarillonError resource_exhausted: as many are under way as may be */
  checkRoom(session: Session): void {
    if ((this.#underWay.get(session)?.size ?? 0) < this.#limit) return;
    const text = `${this.#limit} tasks of this connection are under way, which is its limit`;
    throw new CarillonError("resource_exhausted", text);
  }

  /**
   * An asker that waits for the answer is told nothing once the session has ended.
   * @throws CarillonError resource_exhausted: as many are under way as may be
   */
  ask(session: Session, request: TaskRequest, asker: Required<Omit<Caller, "onGiven">>): void {
    this.checkRoom(session);
    const underWay = this.#underWay.get(session) ?? new Map<CallHandle, boolean>();
    this.#underWay.set(session, underWay);
    const isHeard = (): boolean => session.open || !request.wantsAnswer;
    const asked = this.#dispatch.ask(request, {
      onTaken: () => {
        if (isHeard()) asker.onTaken();
      },
      onGiven: () => {
        this.#end(session, asked);
      },
      onPart: (payload, more) => {
        if (!more) this.#end(session, asked);
        if (isHeard()) asker.onPart(payload, more);
      },
      onFailed: (error) => {
        this.#end(session, asked);
        if (isHeard()) asker.onFailed(error);
      },
    });
    underWay.set(asked, request.wantsAnswer);
  }

  /** What was only triggered is done all the same. */
  #cancel(session: Session): void {
    const underWay = this.#underWay.get(session);
    this.#underWay.delete(session);
    for (const [asked, isWaitedFor] of underWay ?? []) if (isWaitedFor) asked.cancel();
  }

  #end(session: Session, asked: CallHandle): void {
    const underWay = this.#underWay.get(session);
    underWay?.delete(asked);
    if (underWay?.size === 0) this.#underWay.delete(session);
  }
}
