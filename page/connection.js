import { Liveness } from "./liveness.js";
import { commandFrame, PING, readFrame } from "./wire.js";

/** Longest delay before the first retry, in milliseconds. */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
// Only a connection that lasts this long resets the back-off, because a server may accept and close at once.
const STABLE_AFTER_MS = 5_000;
const OPEN_TIMEOUT_MS = 10_000;
const POLICY_VIOLATION = 1008;

/**
 * Returns a random delay before the next retry, in milliseconds, below a bound that doubles with each failure in a row.
 * The whole delay is random, so that the clients of a restarted server reconnect spread out, the first of them at once.
 */
export function backoffDelay(failures, random = Math.random) {
  return random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 10));
}

/**
 * One WebSocket that reconnects by itself and joins its topics again.
 *
 *     disconnected ──connect──▶ connecting ──open──▶ connected
 *          ▲                     │      ▲                │
 *          │                   close    └─delay over─┐  close
 *      disconnect, 1008          └───▶ reconnecting ◀──┘
 *
 * A topic is `joining`, `joined` or `leaving`. Only the server's answers change its status, so the page shows a topic as
 * joined only when it is. `events` has the callbacks onState, onTopics, onMessage, onFrame and onProblem.
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
  #pending = new Map();
  #nextId = 1;
  #liveness = new Liveness({ ping: () => this.send(PING), onLost: () => this.#giveUp() });

  constructor(url, events) {
    this.#url = url;
    this.#events = events;
  }

  /** Map from topic name to `{ status, count }`. */
  get topics() {
    return this.#topics;
  }

  get state() {
    return this.#state;
  }

  /** Connects at once, even while waiting for the next retry. */
  connect() {
    if (this.#socket !== undefined) return;
    this.#stopTimers();
    if (this.#lastClose?.byUser) this.#lastClose = undefined;
    const socket = new WebSocket(this.#url);
    // Every handler checks that its socket is still in use, because an abandoned one may report much later.
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

  /** Closes, and stays closed until `connect`, which joins the topics again. */
  disconnect() {
    const socket = this.#socket;
    this.#forgetSocket();
    this.#failures = 0;
    this.#lastClose = { code: 1000, reason: "", opened: true, byUser: true };
    socket?.close(1000);
    this.#enter({ name: "disconnected" });
  }

  /** Checks at once whether the connection is still alive. */
  probe() {
    this.#liveness.probe();
  }

  /** Joins topics that are not joined yet; while disconnected, as soon as the page is connected. */
  join(names) {
    const added = names.filter((name) => this.#topics.get(name)?.status !== "joined");
    for (const name of added) this.#topics.set(name, { status: "joining", count: this.#topics.get(name)?.count ?? 0 });
    if (added.length === 0) return;
    this.#request("join", added);
    this.#events.onTopics();
  }

  leave(name) {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    if (this.#request("leave", [name])) topic.status = "leaving";
    else this.#topics.delete(name);
    this.#events.onTopics();
  }

  /** Sends text as one frame. @returns false when the page is not connected */
  send(text) {
    if (this.#state.name !== "connected") return false;
    this.#socket.send(text);
    this.#events.onFrame("sent", text);
    return true;
  }

  #request(command, names, again = false) {
    const id = this.#nextId;
    if (!this.send(commandFrame(command, names, id))) return false;
    this.#pending.set(id, { again });
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

  /** Treats the connection as closed without waiting for the close event, which a dead connection delays. */
  #giveUp() {
    const opened = this.#state.name === "connected";
    this.#socket.close();
    this.#closed({ code: 1006, reason: "", opened, silent: opened });
  }

  #joinAgain() {
    const names = [...this.#topics.keys()].filter((name) => this.#topics.get(name).status === "joining");
    if (names.length > 0) this.#request("join", names, true);
  }

  #closed(close) {
    this.#forgetSocket();
    // The end of the last open connection says more than a failed attempt to reconnect.
    if (close.opened || this.#lastClose?.opened !== true) this.#lastClose = close;
    if (close.code === POLICY_VIOLATION) {
      // The server has rejected this client, and would reject it again.
      this.#enter({ name: "disconnected" });
      return;
    }
    const delay = backoffDelay(this.#failures++);
    this.#after("retry", delay, () => this.connect());
    this.#enter({ name: "reconnecting", at: Date.now() + delay });
  }

  #received(data) {
    this.#liveness.received();
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
    const again = this.#pending.get(id)?.again === true;
    this.#pending.delete(id);
    if (command === "join" && ok) this.#joined(topics);
    else if (command === "join") this.#joinRefused(topics, error, again);
    else if (command === "leave") this.#left(topics, ok, error);
    this.#events.onTopics();
  }

  #joined(names) {
    this.#joinFailures = 0;
    // Unexpected answers count too, because the user may have typed the command as a raw frame.
    for (const name of names) this.#topics.set(name, { status: "joined", count: this.#topics.get(name)?.count ?? 0 });
  }

  #joinRefused(names, error, again) {
    if (error?.code === "unavailable") {
      // The broker is disconnected, so the topics are joined later.
      this.#after("join", backoffDelay(this.#joinFailures++), () => this.#joinAgain());
    } else if (again && names.length > 1) {
      // A join is all or nothing. After a reconnect, a topic that is no longer allowed must not affect the others.
      for (const name of names) this.#request("join", [name], true);
      return;
    } else {
      for (const name of names) if (this.#topics.get(name)?.status === "joining") this.#topics.delete(name);
    }
    this.#events.onProblem({ topics: names, ...error });
  }

  #left(names, ok, error) {
    for (const name of names) {
      const topic = this.#topics.get(name);
      // A topic that was joined again in the meantime waits for the answer to that join.
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
    this.#pending.clear();
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
