import { ClientError } from "./errors.js";
import type { ClientClock, Frame, RequestOptions } from "./types.js";

/** Receives the answer of the server, or why there is none. */
export type Done = (error: Error | undefined, answer: Frame) => void;

export interface CommandOptions extends RequestOptions {
  /** Send the command again if the connection is lost before the answer. */
  readonly repeat?: boolean;
  /** Receives all parts of an answer but the last. */
  readonly onPart?: (part: Frame) => void;
}

/**
 * Commands that fail when the connection is lost before their answer. 1: those that were sent and cannot be repeated,
 * 2: those that were sent, 3: all.
 */
export type LossLevel = 1 | 2 | 3;

interface PendingCommand extends CommandOptions {
  readonly text: string;
  readonly end: (error: Error | undefined, answer?: Frame) => void;
  isSent?: boolean;
  /** Cancels the deadline. */
  cancel?: () => void;
}

export interface CommandSettings {
  readonly timeout: number;
  readonly queueLimit: number;
  readonly after: ClientClock["after"];
  readonly send: (text: string) => void;
  readonly isConnected: () => boolean;
}

/** Commands without an answer: those that were sent, and those that wait for a connection. Their order is that of the calls. */
export interface Commands {
  /** Sends a command, or queues it. Calls `done` once, in the turn of the answer. */
  send(command: object, options: CommandOptions, done: Done): void;
  /** Sends the commands that have waited for a connection. */
  flush(): void;
  /** Takes an answer or a part of one. */
  receive(frame: Frame): void;
  /** Ends the commands whose answer is lost. */
  lost(error: Error, level: LossLevel): void;
}

const NO_FRAME: Frame = { topic: "" };

/** Creates the commands of a client. */
export function createCommands({ after, isConnected, queueLimit, send, timeout }: CommandSettings): Commands {
  const all = new Map<number, PendingCommand>();
  let lastId = 0;

  const startTimer = (pending: PendingCommand, duration: number): void => {
    pending.cancel = after(duration, () => fail(pending, "deadline_exceeded", "no answer in time"));
  };
  const fail = ({ end }: PendingCommand, code: string, message: string): void => {
    end(new ClientError(code, message));
  };
  const transmit = (pending: PendingCommand): void => {
    pending.isSent = true;
    // A deadline that the caller has set runs already.
    if (!pending.timeout) startTimer(pending, timeout);
    send(pending.text);
  };

  return {
    send(command, options, done) {
      const { offline, signal } = options;
      const id = (lastId += 1);
      const text = JSON.stringify({ ...command, id });
      // A falsy reason would look like success.
      const abort = (): void => pending.end((signal?.reason as Error) || new ClientError("cancelled", "aborted"));
      const pending: PendingCommand = {
        ...options,
        text,
        end(error, answer = NO_FRAME) {
          all.delete(id);
          pending.cancel?.();
          signal?.removeEventListener("abort", abort);
          done(error, answer);
        },
      };
      let queued = text.length;
      for (const other of all.values()) if (!other.isSent) queued += other.text.length;
      all.set(id, pending);
      signal?.addEventListener("abort", abort);
      if (options.timeout) startTimer(pending, options.timeout);
      if (signal?.aborted) abort();
      else if (isConnected()) transmit(pending);
      else if (offline !== "queue") fail(pending, "unavailable", "not connected");
      else if (queued > queueLimit) fail(pending, "resource_exhausted", "the queue is full");
    },
    flush() {
      for (const pending of all.values()) if (!pending.isSent) transmit(pending);
    },
    receive(frame) {
      const { error, id, more } = frame;
      const pending = all.get(id as number);
      if (!pending) return;
      if (error) fail(pending, error.code, error.message);
      else if (more) pending.onPart?.(frame);
      else pending.end(undefined, frame);
    },
    lost(error, level) {
      for (const pending of all.values()) {
        const { isSent, repeat, timeout: own } = pending;
        if (level > (isSent ? (repeat ? 1 : 0) : 2)) pending.end(error);
        else if (!own) pending.cancel?.();
        pending.isSent = false;
      }
    },
  };
}
