// The way of a message: the ways in, the router, the spool, the sink.

import { $, h, text } from "./dom.js";
import * as f from "./format.js";

const cards = new Map();

// card is updated in place, so that nothing jumps and a selection stays.
function card(key, kind, name) {
	let c = cards.get(key);
	if (c) return c;
	c = {
		element: h("article", { class: "panel part" }),
		word: h("span"),
		dot: h("span", { class: "state" }),
		sentence: h("p", { class: "sentence" }),
		facts: h("dl", { class: "facts" }),
		rows: new Map(),
	};
	c.dot.append(h("i", { "aria-hidden": "true" }), c.word);
	c.element.append(h("header", null, h("p", { class: "kind", text: kind }), c.dot), h("h3", { text: f.printable(name), title: f.printable(name) }), c.sentence, c.facts);
	cards.set(key, c);
	return c;
}

function fill(c, state, sentence, facts) {
	c.dot.dataset.state = state;
	text(c.word, state);
	text(c.sentence, f.printable(sentence));
	for (const [name, value, bad] of facts) {
		let row = c.rows.get(name);
		if (!row) {
			row = { value: h("dd") };
			row.element = h("div", null, h("dt", { text: name }), row.value);
			c.rows.set(name, row);
			c.facts.append(row.element);
		}
		text(row.value, value);
		row.element.classList.toggle("bad", Boolean(bad));
	}
	const now = new Set(facts.map(([name]) => name));
	for (const [name, row] of c.rows) {
		if (now.has(name)) continue;
		row.element.remove();
		c.rows.delete(name);
	}
}

const counts = (map, prefix) =>
	Object.entries(map ?? {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]).map(([name, n]) => [prefix + f.words(name), f.number(n)]);

const kinds = { websocket: "Websocket server", http: "HTTP server", websocket_client: "Feeds", nats: "Stream of NATS" };

// stream are the facts of a stream that is read.
function stream(n) {
	const facts = [
		["partitions", f.number(n.owned) + " of " + f.number(n.partitions)],
		["readers", f.number(n.readers)],
		["behind", f.plural(n.behind, "carrier")],
	];
	if (n.oldest) facts.push(["oldest from", f.when(n.oldest)]);
	return facts;
}

function transport(t, part) {
	const c = card(t.name, "In", kinds[t.kind] ?? f.printable(t.kind));
	const facts = [];
	if (t.feeds) facts.push(["feeds connected", f.number(t.feeds_connected) + " of " + f.number(t.feeds), t.feeds_connected < t.feeds]);
	if (t.kind === "http") facts.push(["requests", f.number(t.accepted)]);
	if (t.connections !== undefined) facts.push(["connections", f.number(t.connections)]);
	if (t.nats) facts.push(...stream(t.nats));
	if (t.messages !== undefined) facts.push(["messages", f.number(t.messages)]);
	facts.push(...counts(t.refused, "refused: "), ...counts(t.errors, "error: "));
	fill(c, part?.state ?? "ok", t.nats?.detail || t.url || part?.detail || "", facts);
	return c.element;
}

function router(status, part) {
	const { messages, streams, writes } = status;
	const { retries } = writes;
	const facts = [
		["live streams", f.number(streams.live)],
		["waiting", f.plural(messages.pending, "message")],
		["memory", f.bytes(messages.pending_bytes) + " of " + f.bytes(messages.max_pending)],
		["groups written", f.number(writes.groups)],
		...counts({ "tried again": retries.transient, blocked: retries.blocked, split: retries.split, fenced: messages.fenced }, ""),
	];
	const share = messages.max_pending ? messages.pending_bytes / messages.max_pending : 0;
	const sentence = {
		ok: messages.pending === 0 ? "Nothing waits." : share < 0.5 ? "It has room." : "Its room is more than half used.",
		full: "It is full: senders wait until there is room.",
		draining: "It takes nothing more, and stores what it has.",
	}[part?.state];
	const c = card("router", "Router", "Lanes");
	fill(c, part?.state ?? "ok", sentence ?? part?.detail ?? "", facts);
	return c.element;
}

function spool(status) {
	const s = status.spool;
	if (!s) {
		const c = card("no spool", "Spool", "None");
		fill(c, "off", "What is accepted and not yet stored is in memory. delivery.spool = true keeps it on disk.", []);
		return c.element;
	}
	const c = card("spool", "Spool", "On disk");
	const facts = [["messages", f.number(s.messages)], ["disk", f.bytes(s.bytes) + " of " + f.bytes(s.max)], ["segments", f.number(s.segments)]];
	if (s.oldest) facts.push(["oldest from", f.when(s.oldest)]);
	if (s.corrupt) facts.push(["corrupt records", f.number(s.corrupt), true]);
	fill(c, s.state, s.sentence, facts);
	return c.element;
}

function sink(status) {
	const s = status.sink;
	const c = card("sink", "Sink", s.target || s.name);
	const facts = [["stored", f.number(status.messages.stored)], ["write p50, p99", f.latencyText(status.latency.write?.p50) + ", " + f.latencyText(status.latency.write?.p99)]];
	if (status.messages.duplicates) facts.splice(1, 0, ["stored before", f.number(status.messages.duplicates)]);
	if (s.since) facts.unshift(["since", f.when(s.since), true]);
	if (s.error) facts.push(["error", f.printable(s.error), true]);
	fill(c, s.state, s.sentence, facts);
	return c.element;
}

export function update(status) {
	const part = (name) => status.parts.find((p) => p.name === name);
	const columns = [
		status.transports.map((t) => transport(t, part(t.name))),
		[router(status, part("engine"))],
		[spool(status)],
		[sink(status)],
	];
	// With a spool a message is on disk before it is in a lane.
	if (status.spool) columns.splice(1, 2, columns[2], columns[1]);
	const wanted = columns.flat();
	const pipe = $("pipe");
	const there = [...pipe.querySelectorAll(".part")];
	if (there.length === wanted.length && there.every((e, i) => e === wanted[i])) return;
	pipe.replaceChildren(...columns.map((some) => h("div", { class: "column" }, some)));
}
