const OPEN_TIMEOUT_MS = 10_000;

/**
 * One WebSocket whose frames are shown and not parsed. It does not reconnect by itself, so that the user sees how it
 * ended. Its state is disconnected, connecting or connected. `events` has the callbacks onState, onFrame, onClosed and
 * onFailed, which receives the error when the address could not be found.
 */
export class RawConnection {
  #events;
  #socket;
  #state = "disconnected";
  /** Number of connection attempts, so that the address of an abandoned attempt is ignored. */
  #turn = 0;
  #timer;

  constructor(events) {
    this.#events = events;
  }

  get state() {
    return this.#state;
  }

  /** `findUrl` resolves to the address. */
  async connect(findUrl) {
    if (this.#state !== "disconnected") return;
    const turn = ++this.#turn;
    this.#enter("connecting");
    try {
      const url = await findUrl();
      if (turn === this.#turn) this.#open(url);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#enter("disconnected");
      this.#events.onFailed(error);
    }
  }

  disconnect() {
    const socket = this.#socket;
    this.#forget();
    socket?.close(1000);
    this.#events.onClosed({ code: 1000, reason: "", opened: true, byUser: true });
  }

  /** Sends text as one frame. @returns false when the page is not connected */
  send(text) {
    if (this.#state !== "connected") return false;
    this.#socket.send(text);
    this.#events.onFrame("sent", text);
    return true;
  }

  #open(url) {
    const socket = new WebSocket(url);
    // Every handler checks that its socket is still in use, because an abandoned one may report much later.
    const current = (handler) => (event) => {
      if (socket === this.#socket) handler(event);
    };
    const closed = ({ code, reason }) => {
      const opened = this.#state === "connected";
      this.#forget();
      this.#events.onClosed({ code, reason, opened });
    };
    socket.binaryType = "arraybuffer";
    socket.addEventListener(
      "open",
      current(() => {
        clearTimeout(this.#timer);
        this.#enter("connected", url);
      }),
    );
    socket.addEventListener(
      "message",
      current(({ data }) => this.#events.onFrame("received", data)),
    );
    socket.addEventListener("close", current(closed));
    this.#socket = socket;
    this.#timer = setTimeout(() => {
      socket.close();
      closed({ code: 1006, reason: "" });
    }, OPEN_TIMEOUT_MS);
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#turn++;
    this.#socket = undefined;
    this.#enter("disconnected");
  }

  #enter(state, url) {
    this.#state = state;
    this.#events.onState(state, url);
  }
}
