import { CarillonError, type ErrorCode } from "../errors.js";
import { ignore } from "../util/ignore.js";
import { withResolvers } from "../util/with-resolvers.js";

/** One end of the channel between the primary process and a node process. */
export interface ChannelPeer {
  send(message: object, handle: undefined, options: undefined, done: (error: Error | null) => void): unknown;
  on(event: "message", listener: (message: unknown) => void): unknown;
}

/** Answers requests of the other process. */
export type ChannelHandlers = Readonly<Record<string, (body: never) => unknown>>;

interface Question {
  readonly kind: "question";
  readonly id: number;
  readonly method: string;
  readonly body: unknown;
}

interface Reply {
  readonly kind: "reply";
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

type Pending = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/** Requests and answers between two processes, as JSON. */
export class Channel {
  readonly #peer: ChannelPeer;
  readonly #handlers: ChannelHandlers;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #closed = false;

  constructor(peer: ChannelPeer, handlers: ChannelHandlers) {
    this.#peer = peer;
    this.#handlers = handlers;
    peer.on("message", (message) => {
      this.#receive(message as Question | Reply);
    });
  }

  /** Sends a request. @throws CarillonError the other process's, or unavailable when it has ended */
  ask<Answer>(method: string, body: unknown = null): Promise<Answer> {
    if (this.#closed) return Promise.reject(createEndedError());
    const id = ++this.#lastId;
    const { promise, reject, resolve } = withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    this.#send({ kind: "question", id, method, body }, reject);
    return promise as Promise<Answer>;
  }

  /** Sends a request whose answer does not matter. */
  tell(method: string, body: unknown = null): void {
    this.ask(method, body).catch(ignore);
  }

  /** Fails the pending requests, because the other process has ended. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#pending.values()) reject(createEndedError());
    this.#pending.clear();
  }

  #receive(message: Question | Reply): void {
    if (message.kind === "question") {
      void this.#answer(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    const { error, value } = message;
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(new CarillonError(error.code, error.message));
  }

  async #answer({ body, id, method }: Question): Promise<void> {
    try {
      const value = (await this.#handlers[method]?.(body as never)) ?? null;
      this.#send({ kind: "reply", id, value }, ignore);
    } catch (cause) {
      const { code, message } = CarillonError.from(cause);
      this.#send({ kind: "reply", id, error: { code, message } }, ignore);
    }
  }

  #send(message: Question | Reply, onFailed: (error: Error) => void): void {
    if (this.#closed) return;
    this.#peer.send(message, undefined, undefined, (error) => {
      if (error !== null) onFailed(createEndedError());
    });
  }
}

function createEndedError(): CarillonError {
  return new CarillonError("unavailable", "the process has ended");
}
