import type { LossLevel } from "./commands.js";
import { ClientError, Unauthorized } from "./errors.js";
import { NEVER, readTokenLife } from "./token-life.js";
import type { ClientClock, ClientOptions, CloseDetail, ConnectionState, WebSocketLike } from "./types.js";
import { isHidden, onWake } from "./wake.js";

/** Longest first delay before a reconnect, in milliseconds. It doubles with each failure. */
const FIRST_DELAY = 1_000;
/** Age at which a connection counts as good, in milliseconds. Failures before are then forgotten. */
const STABLE = 10_000;
/** Interval at which idle connections, sleep and old tokens are detected, in milliseconds. */
const TICK = 5_000;
/** Close codes after which a reconnect would fail in the same way, or is not wanted. */
const FINAL_CODES = [1002, 1007, 1008, 4403, 4404];
/** Close code after a frame that was too large. */
const TOO_LARGE = 1009;
/** Least longest delays in milliseconds: a restarting node closes all its clients at once, and an overloaded one needs time. */
const SPREADS: Readonly<Record<number, number>> = { 1012: 5_000, 1013: 10_000 };

/** Advice at the end of a close frame's text: come back after a random time between so many seconds. */
const ADVICE = /, retry after (\d+)-(\d+) s$/;

/** Socket of `ws`, which reports refused upgrades, and can end without the peer. */
interface WsSocket extends WebSocketLike {
  on?(
    event: "unexpected-response",
    listener: (
      request: { destroy(): void },
      response: { readonly statusCode: number; readonly headers: Readonly<Record<string, string | undefined>> },
    ) => void,
  ): void;
  terminate?(): void;
}

export interface LinkEvents {
  readonly opened: () => void;
  readonly received: (text: string) => void;
  readonly lost: (error: Error, level: LossLevel) => void;
  readonly changed: (state: ConnectionState) => void;
  /** Presents a fresh token on the connection. */
  readonly authenticate: (token: string) => Promise<unknown>;
}

/** A connection that is kept. */
export interface Link {
  readonly state: ConnectionState;
  readonly start: () => void;
  readonly send: (text: string) => void;
  /** Ends the connection for good. @param error - undefined at the application's request */
  readonly stop: (error?: Error) => void;
}

/** Keeps one connection: connects, detects its death, waits, and connects again. */
export function createLink(
  url: string,
  options: ClientOptions,
  clock: ClientClock,
  random: () => number,
  events: LinkEvents,
): Link {
  const { connectTimeout = 10_000, maxDelay = 30_000, pingInterval = 25_000, pingTimeout = 5_000 } = options;
  const { token: getToken, webSocket = globalThis.WebSocket } = options;
  let state: ConnectionState = { status: "closed" };
  let socket: WsSocket | undefined;
  /** Changes with each attempt, so that outdated callbacks notice. */
  let attempt = 0;
  let failures: number;
  /** Begin of the last attempt. */
  let attemptAt: number;
  /** Earliest time of the next attempt, also after a wake-up. */
  let earliest: number;
  let receivedAt: number;
  let refreshAt: number;
  /** Cancels the timer of the current state: handshake or reconnect. */
  let cancelTimer: (() => void) | undefined;
  let cancelProbe: (() => void) | undefined;
  let cancelTick: (() => void) | undefined;
  let watching: AbortController;

  const set = (next: ConnectionState): void => {
    state = next;
    events.changed(next);
  };
  const isConnected = (): boolean => state.status === "connected";
  const send = (text: string): void => socket?.send(text);

  const endProbe = (): void => {
    cancelProbe?.();
    cancelProbe = undefined;
  };

  /** Forgets the socket and its timers. @returns the socket, of which nothing more is reported */
  const release = (): WsSocket | undefined => {
    const released = socket;
    socket = undefined;
    attempt += 1;
    cancelTimer?.();
    endProbe();
    return released;
  };

  const stop = (error?: Error): void => {
    if (state.status === "closed") return;
    watching.abort();
    cancelTick?.();
    release()?.close(1000);
    set({ status: "closed", error });
    events.lost(error ?? new ClientError("cancelled", "closed"), 3);
  };

  const startTimer = (milliseconds: number, run: () => void): void => {
    cancelTimer?.();
    cancelTimer = clock.after(milliseconds, run);
  };

  const waitUntil = (nextAttempt: number, reason: CloseDetail): void => {
    startTimer(nextAttempt - clock.now(), connect);
    set({ status: "waiting", reason, nextAttempt });
  };

  /** Gives the connection or attempt up, and waits for the next one. @param least - least delay in milliseconds */
  const lose = (code: number, message: string, least = 0): void => {
    const error = new ClientError(code === TOO_LARGE ? "resource_exhausted" : "unavailable", `${message} (${code})`);
    if (FINAL_CODES.includes(code)) return stop(error);
    const now = clock.now();
    if (isConnected() && now - attemptAt >= STABLE) failures = 0;
    const dead = release();
    if (dead?.terminate) dead.terminate();
    else dead?.close();
    // Full jitter: any delay up to the longest is equally likely. A hidden page is in no hurry after its first attempt.
    let longest = Math.min(maxDelay, Math.max(FIRST_DELAY * 2 ** failures, SPREADS[code] ?? least));
    if (isHidden() && failures) longest = maxDelay * 10;
    failures += 1;
    const [, from, to] = ADVICE.exec(message) ?? [];
    if (from) {
      least = Number(from) * 1_000;
      longest = Number(to) * 1_000 - least;
    }
    earliest = Math.max(attemptAt + FIRST_DELAY, now + least);
    waitUntil(now + least + random() * longest, { code, message });
    // Sending a frame again that was too large would end the next connection, too.
    events.lost(error, code === TOO_LARGE ? 2 : 1);
  };

  /** Sends a ping, and gives the connection up if nothing arrives in time. */
  const probe = (): void => {
    if (!isConnected() || cancelProbe) return;
    send('{"command":"ping"}');
    const due = clock.now() + pingTimeout;
    cancelProbe = clock.after(pingTimeout, () => {
      cancelProbe = undefined;
      // After a sleep the answer may be waiting to be read, so that a late timer says nothing.
      if (clock.now() - due > TICK) probe();
      else lose(1006, "no pong in time");
    });
  };

  /** Asks the application for a token, and uses it. @param lost - is called where that fails, unless it stops the client */
  const withToken = async (use: (token?: string) => unknown, failed: (error: unknown) => void): Promise<void> => {
    const current = attempt;
    refreshAt = NEVER;
    try {
      const token = await getToken?.();
      if (current !== attempt) return;
      const now = clock.now();
      refreshAt = now + 0.8 * readTokenLife(token, now);
      await use(token);
    } catch (error) {
      if (current !== attempt) return;
      if (error instanceof Unauthorized) stop(error);
      else failed(error);
    }
  };

  const limit = (message: string): void => {
    startTimer(connectTimeout, () => lose(1006, message));
  };

  const connect = (): void => {
    release();
    attemptAt = clock.now();
    set({ status: "connecting" });
    limit("no token in time");
    void withToken(
      (token) => {
        limit("no handshake in time");
        try {
          listen(new webSocket(url, token ? ["carillon", `bearer.${token}`] : []));
        } catch (cause) {
          stop(new ClientError("invalid_argument", String(cause), { cause }));
        }
      },
      (error) => lose(1006, String(error)),
    );
  };

  const listen = (opened: WsSocket): void => {
    socket = opened;
    const on = (
      type: "open" | "message" | "close" | "error",
      handle: (event: MessageEvent & CloseEvent) => void,
    ): void =>
      opened.addEventListener(type, (event) => {
        if (socket === opened) handle(event as MessageEvent & CloseEvent);
      });
    on("open", () => {
      cancelTimer?.();
      receivedAt = clock.now();
      set({ status: "connected" });
      events.opened();
    });
    on("message", ({ data }) => {
      receivedAt = clock.now();
      endProbe();
      events.received(data as string);
    });
    on("close", ({ code, reason }) => lose(code, reason || "connection lost"));
    // The close event follows, also where `ws` has no listener for a socket that is closed early.
    on("error", () => {});
    opened.on?.("unexpected-response", (request, { headers, statusCode }) => {
      lose(statusCode, "refused", Number(headers["retry-after"]) * 1_000 || 0);
      request.destroy();
    });
  };

  /** Replaces the token on the live connection if it is old. */
  const refresh = (): void => {
    if (!isConnected() || clock.now() < refreshAt) return;
    void withToken(
      (token) => token && events.authenticate(token),
      (error) => {
        // A refused token ends the connection. Without a new one the old token has a fifth of its life left.
        if (error instanceof ClientError) lose(1006, error.message);
        else refreshAt = clock.now() + TICK * (1 + random());
      },
    );
  };

  /** Looks after the connection when the device wakes up, the page is shown, or the network is back. */
  const wake = (): void => {
    refresh();
    if (state.status !== "waiting") probe();
    else if (clock.now() >= earliest) connect();
    else waitUntil(Math.min(earliest, state.nextAttempt), state.reason);
  };

  const tick = (): void => {
    const started = clock.now();
    const delay = isConnected() ? Math.max(0, Math.min(TICK, refreshAt - started)) : TICK;
    cancelTick = clock.after(delay, () => {
      tick();
      refresh();
      const now = clock.now();
      // Timers of a sleeping device, and of a hidden page, are late.
      if (now - started > 2 * TICK && !isHidden()) wake();
      else if (now - receivedAt >= pingInterval) probe();
    });
  };

  return {
    get state() {
      return state;
    },
    send,
    stop,
    start() {
      if (state.status !== "closed") return;
      failures = 0;
      watching = new AbortController();
      onWake(wake, watching.signal);
      tick();
      connect();
    },
  };
}
