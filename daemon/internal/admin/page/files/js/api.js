// /api/v1, and the one EventSource of the page.

// Failure is an answer that says no, or none at all (status 0).
export class Failure extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

async function call(path, options) {
	let response;
	try {
		response = await fetch(path, { cache: "no-store", ...options });
	} catch {
		throw new Failure(0, "The daemon does not answer.");
	}
	const body = await response.text();
	if (response.ok) return body;
	let message = body.trim();
	try {
		message = JSON.parse(body).error ?? message;
	} catch {
		// a line of text
	}
	const failure = new Failure(response.status, message || "The daemon answers with status " + response.status + ".");
	failure.body = body;
	if (response.status === 401) document.dispatchEvent(new CustomEvent("signed-out"));
	throw failure;
}

export const get = async (path) => JSON.parse(await call("/api/v1/" + path));
export const letter = async (number) => exact(await call("/api/v1/dead-letters/" + encodeURIComponent(number)));

export async function post(path, value, method = "POST") {
	const body = await call("/api/v1/" + path, {
		method,
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify(value ?? {}),
	});
	return body ? JSON.parse(body) : {};
}

// send posts a message as it stands, and gives the answer whatever it is.
export async function send(text, client) {
	const query = client ? "?client=" + encodeURIComponent(client) : "";
	try {
		return { status: 200, body: await call("/api/v1/messages" + query, { method: "POST", body: text }) };
	} catch (err) {
		if (!err.status) throw err;
		return { status: err.status, body: err.body };
	}
}

export const login = (token) => call("/login", { method: "POST", body: new URLSearchParams({ token }) });
export const logout = () => call("/logout", { method: "POST" });

// exact keeps numbers of payloads that a double cannot hold as they were sent, where
// the browser can.
function exact(text) {
	if (!JSON.rawJSON) return JSON.parse(text);
	return JSON.parse(text, (_, value, context) =>
		typeof value === "number" && !Number.isSafeInteger(value) && String(value) !== context?.source
			? JSON.rawJSON(context.source)
			: value,
	);
}

// Events is the stream of events. A hidden page has none. It comes back by itself,
// and tells so, since what was missed must be asked for.
export class Events {
	#source = null;
	#timer = 0;
	#tail = null; // the id that the tail is filtered by; null: no tail
	#wanted = false;
	#open = false;
	#heard = 0;
	#listen;

	// listen has up(), down() and a function for each kind of event.
	constructor(listen) {
		this.#listen = listen;
		document.addEventListener("visibilitychange", () => this.#visible());
		addEventListener("pagehide", () => this.#close());
		addEventListener("pageshow", () => this.#visible());
		// A connection can die without a word; the daemon speaks each second.
		setInterval(() => {
			if (this.#source && Date.now() - this.#heard > 8000) this.#again();
		}, 2000);
	}

	start() {
		this.#wanted = true;
		this.#connect();
	}

	stop() {
		this.#wanted = false;
		this.#close();
	}

	// tail opens the stream anew, with messages of id ("": of all), or without.
	tail(id) {
		this.#tail = id;
		if (this.#wanted && !document.hidden) this.#connect();
	}

	#visible() {
		if (document.hidden) this.#close();
		else if (this.#wanted && !this.#source && !this.#timer) this.#connect();
	}

	#close() {
		clearTimeout(this.#timer);
		this.#timer = 0;
		this.#source?.close();
		this.#source = null;
		this.#open = false;
	}

	#again() {
		this.#close();
		this.#listen.down();
		if (this.#wanted && !document.hidden) this.#timer = setTimeout(() => this.#connect(), 2000);
	}

	#connect() {
		this.#close();
		const query = new URLSearchParams();
		if (this.#tail !== null) query.set("tail", "1");
		if (this.#tail) query.set("id", this.#tail);
		const source = new EventSource("/api/v1/events?" + query);
		this.#source = source;
		this.#heard = Date.now();
		source.onerror = () => this.#again();
		for (const kind of ["status", "streams", "messages"]) {
			source.addEventListener(kind, (event) => {
				if (source !== this.#source) return;
				this.#heard = Date.now();
				if (!this.#open) {
					this.#open = true;
					this.#listen.up();
				}
				this.#listen[kind](kind === "messages" ? exact(event.data) : JSON.parse(event.data));
			});
		}
	}
}
