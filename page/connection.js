import { Liveness } from "./liveness.js";
import { commandFrame, PING, readFrame } from "./wire.js";

/** Longest wait before the first try, in milliseconds. */
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
// Only a connection that lasted this long resets the back-off: a server that accepts and closes at once is not hammered.
const STABLE_AFTER_MS = 5_000;
const OPEN_TIMEOUT_MS = 10_000;
const POLICY_VIOLATION = 1008;

/**
 * How long to wait after this many failures in a row, in milliseconds: anything up to a bound that doubles. The whole of
 * it is random, so that the clients of a server that restarts come back spread out and the first of them at once.
 */
export function backoffDelay(failures, random = Math.random) {
  return random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 10));
}

/**
 * One WebSocket that comes back by itself and joins its topics again.
 *
 *     disconnected ──connect──▶ connecting ──open──▶ connected
 *          ▲                     │      ▲                │
 *          │                   close    └─delay over─┐  close
 *      disconnect, 1008          └───▶ reconnecting ◀──┘
 *
 * A topic is `joining`, `joined` or `leaving`. Only the server's answers move it on, so what the page shows as joined
 * is joined. `events` has the callbacks onState, onTopics, onMessage, onFrame and onProblem.
 */
export class Connection {
  #url;
  #events;
  #socket;
  #timers = new Map();
  #failures = 0;
  #joinFailures = 0;
  #lastClose;
  #state = { name: "disconnected" };
  #topics = new Map();
  #asked = new Map();
  #nextId = 1;
  #liveness = new Liveness({ ask: () => this.send(PING), lost: () => this.#giveUp() });

  constructor(url, events) {
    this.#url = url;
    this.#events = events;
  }

  /** By name: `{ status, count }`. */
  get topics() {
    return this.#topics;
  }

  get state() {
    return this.#state;
  }

  /** Connects, or cuts a wait for the next try short. */
  connect() {
    if (this.#socket !== undefined) return;
    this.#stopTimers();
    if (this.#lastClose?.byUser) this.#lastClose = undefined;
    const socket = new WebSocket(this.#url);
    // Every handler asks whether its socket is still the one in use: one that was given up may report much later.
    const current = (handler) => (event) => {
      if (socket === this.#socket) handler(event);
    };
    let opened = false;
    socket.binaryType = "arraybuffer";
    socket.addEventListener(
      "open",
      current(() => {
        opened = true;
        this.#opened();
      }),
    );
    socket.addEventListener(
      "message",
      current(({ data }) => this.#received(data)),
    );
    socket.addEventListener(
      "close",
      current(({ code, reason }) => this.#closed({ code, reason, opened })),
    );
    this.#socket = socket;
    this.#after("open", OPEN_TIMEOUT_MS, () => this.#giveUp());
    this.#enter({ name: "connecting", attempt: this.#failures + 1 });
  }

  /** Closes and stays closed until `connect`. The topics are kept, to be joined again then. */
  disconnect() {
    const socket = this.#socket;
    this.#forgetSocket();
    this.#failures = 0;
    this.#lastClose = { code: 1000, reason: "", opened: true, byUser: true };
    socket?.close(1000);
    this.#enter({ name: "disconnected" });
  }

  /** Finds out at once whether the connection still stands. */
  probe() {
    this.#liveness.probe();
  }

  /** Joins what is not joined yet; without a connection, as soon as there is one. */
  join(names) {
    const added = names.filter((name) => this.#topics.get(name)?.status !== "joined");
    for (const name of added) this.#topics.set(name, { status: "joining", count: this.#topics.get(name)?.count ?? 0 });
    if (added.length === 0) return;
    this.#ask("join", added);
    this.#events.onTopics();
  }

  leave(name) {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    if (this.#ask("leave", [name])) topic.status = "leaving";
    else this.#topics.delete(name);
    this.#events.onTopics();
  }

  /** Sends text as one frame. False when there is no connection to send it on. */
  send(text) {
    if (this.#state.name !== "connected") return false;
    this.#socket.send(text);
    this.#events.onFrame("sent", text);
    return true;
  }

  #ask(command, names, again = false) {
    const id = this.#nextId;
    if (!this.send(commandFrame(command, names, id))) return false;
    this.#asked.set(id, { again });
    this.#nextId++;
    return true;
  }

  #opened() {
    this.#stopTimers();
    this.#joinFailures = 0;
    this.#after("stable", STABLE_AFTER_MS, () => {
      this.#failures = 0;
    });
    this.#liveness.start();
    this.#enter({ name: "connected" });
    this.#joinAgain();
  }

  /** Goes on without waiting for the close: on a dead wire nobody answers that either. */
  #giveUp() {
    const opened = this.#state.name === "connected";
    this.#socket.close();
    this.#closed({ code: 1006, reason: "", opened, silent: opened });
  }

  #joinAgain() {
    const names = [...this.#topics.keys()].filter((name) => this.#topics.get(name).status === "joining");
    if (names.length > 0) this.#ask("join", names, true);
  }

  #closed(close) {
    this.#forgetSocket();
    // Tries that fail say nothing new: how the last connection ended tells more.
    if (close.opened || this.#lastClose?.opened !== true) this.#lastClose = close;
    if (close.code === POLICY_VIOLATION) {
      // The server does not want this client: asking again would get the same answer.
      this.#enter({ name: "disconnected" });
      return;
    }
    const delay = backoffDelay(this.#failures++);
    this.#after("retry", delay, () => this.connect());
    this.#enter({ name: "reconnecting", at: Date.now() + delay });
  }

  #received(data) {
    this.#liveness.heard();
    if (typeof data !== "string") {
      this.#events.onFrame("received", `(binary frame, ${data.byteLength} bytes)`);
      return;
    }
    this.#events.onFrame("received", data);
    const frame = readFrame(data);
    if (frame.kind === "message") {
      const topic = this.#topics.get(frame.topic);
      if (topic !== undefined) topic.count++;
      this.#events.onMessage(frame);
    } else if (frame.kind === "answer") this.#answered(frame);
    else if (frame.kind === "problem") this.#events.onProblem({ message: frame.reasons.join("; ") });
  }

  #answered({ ok, command, topics, id, error }) {
    const again = this.#asked.get(id)?.again === true;
    this.#asked.delete(id);
    if (command === "join" && ok) this.#joined(topics);
    else if (command === "join") this.#joinRefused(topics, error, again);
    else if (command === "leave") this.#left(topics, ok, error);
    this.#events.onTopics();
  }

  #joined(names) {
    this.#joinFailures = 0;
    // The answer is believed even where the page did not ask: the command may have been typed as a raw frame.
    for (const name of names) this.#topics.set(name, { status: "joined", count: this.#topics.get(name)?.count ?? 0 });
  }

  #joinRefused(names, error, again) {
    if (error?.code === "unavailable") {
      // The broker behind the server is away: the topics stay wanted.
      this.#after("join", backoffDelay(this.#joinFailures++), () => this.#joinAgain());
    } else if (again && names.length > 1) {
      // A join is all or nothing. Coming back, one topic that is no longer allowed must not cost the others.
      for (const name of names) this.#ask("join", [name], true);
      return;
    } else {
      for (const name of names) if (this.#topics.get(name)?.status === "joining") this.#topics.delete(name);
    }
    this.#events.onProblem({ topics: names, ...error });
  }

  #left(names, ok, error) {
    for (const name of names) {
      const topic = this.#topics.get(name);
      // Asked to join again in the meantime: then the answer to that decides.
      if (topic === undefined || topic.status === "joining") continue;
      if (ok) this.#topics.delete(name);
      else topic.status = "joined";
    }
    if (!ok) this.#events.onProblem({ topics: names, ...error });
  }

  #forgetSocket() {
    this.#stopTimers();
    this.#liveness.stop();
    this.#socket = undefined;
    this.#asked.clear();
    for (const [name, topic] of this.#topics) {
      if (topic.status === "leaving") this.#topics.delete(name);
      else topic.status = "joining";
    }
  }

  #enter(state) {
    this.#state = { ...state, lastClose: this.#lastClose };
    this.#events.onState(this.#state);
    this.#events.onTopics();
  }

  #after(name, milliseconds, action) {
    clearTimeout(this.#timers.get(name));
    const timer = setTimeout(() => action(), milliseconds);
    this.#timers.set(name, timer);
  }

  #stopTimers() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
