// A client of ingestd for browsers and Node. Copy it; it has no dependency but, in
// Node before 22, the package ws.
//
//   const client = new Client("ws://127.0.0.1:7001/ws", "phone-7");
//   await client.send("boiler", { celsius: 71.5 });
//   await client.close(); // all is stored now
const WebSocket = globalThis.WebSocket ??
  (await import("node:module")).createRequire(import.meta.url)("ws");

export class Client {
  // What is not acked: seq -> {id, text}, ascending. Only an ack means stored, so
  // only an ack lets us forget. The text is kept, not the value: the server
  // compares what is sent again byte by byte.
  #kept = new Map();
  #held = new Set(); // ids that wait after an error with `retry`
  #waiting = []; // those who wait for acks
  #asked = false; // for a flush, which has no answer yet
  #last = 0; // the last seq
  #delay = 100; // ms before the next attempt to connect
  #closed = false;

  // name says who sends: no two clients that run at once may share it.
  // refused(code, error, message) hears what the server will never store. A token is
  // shown as a subprotocol, for a browser can set no header.
  constructor(url, name, { token, refused = console.error, window = 1000, maxBytes = 1 << 20 } = {}) {
    Object.assign(this, { url: `${url}?client=${encodeURIComponent(name)}`, refused, window, maxBytes });
    const base64url = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    this.protocols = token ? ["ingest.v1", `ingest.bearer.${base64url(token)}`] : ["ingest.v1"];
    this.#connect();
  }

  get unacked() { return this.#kept.size; }

  // Send resolves when the message is kept, which is at once unless the window is
  // full. Await it: that is the back-pressure. What is kept is bounded by it, and
  // so is the socket's bufferedAmount. fields may have op, code and time; the op
  // "done" ends the stream.
  async send(id, data, fields = {}) {
    while (this.#kept.size >= this.window) await this.#progress();
    // Numbers must ascend, after a restart too. Unix microseconds do without a file
    // to remember the last one, say when it happened, and are exact in a double.
    const seq = Math.max(this.#last + 1, Date.now() * 1000);
    id = String(id); // 17 and "17" are one stream; an integer past 2^53 would be rounded
    const text = JSON.stringify({ time: seq, ...fields, id, seq, data });
    // A larger frame would close the connection, each time that it is sent again.
    if (new TextEncoder().encode(text).length > this.maxBytes) throw new RangeError("the message is too large");
    this.#last = seq;
    this.#kept.set(seq, { id, text });
    if (!this.#held.has(id)) this.#put(text);
  }

  // Flush resolves when all that was sent before is stored or refused.
  async flush() {
    const last = this.#last;
    while (this.#kept.keys().next().value <= last) await this.#progress();
  }

  async close() {
    await this.flush();
    this.#closed = true;
    this.#socket.close();
  }

  #socket;

  #connect() {
    const socket = (this.#socket = new WebSocket(this.url, this.protocols));
    socket.onopen = () => {
      this.#asked = false;
      this.#sendKept(); // what was stored already is not stored twice
    };
    socket.onmessage = (event) => {
      this.#delay = 100;
      this.#answer(JSON.parse(event.data));
    };
    socket.onerror = () => {}; // onclose follows
    socket.onclose = (event) => {
      if (this.#closed) return;
      console.warn(`ingestd: no connection (${event.code} ${event.reason}), trying again`);
      setTimeout(() => this.#connect(), this.#delay * (0.5 + Math.random() / 2)); // not all clients at once
      this.#delay = Math.min(2 * this.#delay, 30_000);
    };
  }

  #answer({ op, id, seq, code, error, retry }) {
    if (op === "ack") { // for this message, and for those of its id before it
      for (const [n, message] of this.#kept) {
        if (n > seq) break;
        if (message.id === id) this.#kept.delete(n);
      }
    } else if (op === "error" && retry) {
      return this.#hold(id);
    } else if (op === "error") { // no ack need follow
      const message = this.#kept.get(seq);
      this.#kept.delete(seq);
      this.refused(code, error, message && JSON.parse(message.text));
    } else if (op === "flush") {
      this.#asked = false;
      if (this.#held.size > 0) return; // whoever waits asks again when they are sent
    }
    this.#wake();
  }

  // After an error with `retry` the server takes nothing more of this id until that
  // message comes again. So: wait, then send all that is kept of it, in order.
  #hold(id) {
    if (this.#held.has(id)) return;
    this.#held.add(id);
    setTimeout(() => {
      this.#held.delete(id);
      this.#sendKept(id);
    }, 1000);
  }

  #sendKept(only) {
    for (const { id, text } of this.#kept.values()) {
      if (!this.#held.has(id) && (!only || only === id)) this.#put(text);
    }
    this.#wake();
  }

  #put(text) {
    if (this.#socket.readyState === 1) this.#socket.send(text); // else onopen sends it
  }

  // The server may collect for batch_wait before it stores: ask it not to wait.
  #progress() {
    if (!this.#asked) this.#put('{"op":"flush"}');
    this.#asked = true;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
