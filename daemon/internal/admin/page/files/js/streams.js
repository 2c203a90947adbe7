// The busiest streams, and one looked up by its id.

import { $, attribute, copier, fill, h, show, text } from "./dom.js";
import * as api from "./api.js";
import * as f from "./format.js";

const rows = new Map();
let held = false; // the order stays while somebody points at the table
let chosen = null;
let asked = 0;

export const stateOf = (state) => h("span", { class: "state", "data-state": state }, h("i", { "aria-hidden": "true" }), h("span", { text: state }));

export function idText(id) {
	const shown = f.printable(id);
	return h("span", { class: "id", title: shown, text: shown });
}

function row(stream) {
	let r = rows.get(stream.id);
	if (!r) {
		r = { rate: h("td", { class: "num" }), pending: h("td", { class: "num" }), accepted: h("td", { class: "num wide" }), state: h("td") };
		r.word = h("span");
		r.dot = h("span", { class: "state" }, h("i", { "aria-hidden": "true" }), r.word);
		r.state.append(r.dot);
		const button = h("button", { type: "button", class: "plain", onclick: () => choose(stream.id) }, idText(stream.id));
		r.element = h("tr", null, h("td", { class: "name" }, button), r.rate, r.pending, r.accepted, r.state);
		rows.set(stream.id, r);
	}
	text(r.rate, f.rate(stream.rate));
	text(r.pending, f.number(stream.pending));
	attribute(r.pending, "title", f.bytes(stream.pending_bytes));
	text(r.accepted, f.number(stream.accepted));
	r.dot.dataset.state = stream.state;
	text(r.word, stream.state);
	attribute(r.state, "title", stream.error ? f.printable(stream.error) : null);
	r.element.classList.toggle("chosen", stream.id === chosen);
	return r.element;
}

export function update({ streams }) {
	const body = $("busiest").tBodies[0];
	let list = streams;
	if (held) {
		const now = new Map(streams.map((s) => [s.id, s]));
		list = [...rows.keys()].map((id) => now.get(id)).filter(Boolean);
		const kept = new Set(list.map((s) => s.id));
		list.push(...streams.filter((s) => !kept.has(s.id)));
	}
	const wanted = list.map(row);
	if (body.children.length !== wanted.length || wanted.some((e, i) => body.children[i] !== e)) {
		const focused = document.activeElement;
		body.replaceChildren(...wanted);
		if (focused?.isConnected && body.contains(focused)) focused.focus({ preventScroll: true });
	}
	const order = new Map(list.map((s) => [s.id, rows.get(s.id)]));
	rows.clear();
	for (const [id, r] of order) rows.set(id, r);
	show($("busiest"), list.length > 0);
	show($("busiest-empty"), list.length === 0);
	text($("busiest-empty"), "No stream is live. One is, from its first message until it has been idle for a while.");
	if (chosen !== null) look(chosen, true);
}

function choose(id) {
	$("lookup-id").value = id;
	look(id);
}

const fact = (name, value) => (value === null || value === undefined || value === "" ? null : h("div", null, h("dt", { text: name }), h("dd", null, value)));

// columns of the tables, in the words of the page
const storedFacts = [
	["status", "status", f.printable], ["messages", "stored messages", f.number], ["first_seq", "first number", f.seq], ["last_seq", "last number", f.seq],
	["first_at", "first stored", f.when], ["last_at", "last stored", f.when], ["ended_at", "ended", f.when], ["end_reason", "ended by", f.printable],
	["end_code", "code of the end", String], ["end_data", "data of the end", f.printable],
];

// look shows a stream; again: it is the one that is shown already.
async function look(id, again) {
	const mine = ++asked;
	const detail = $("stream-detail");
	if (!again) {
		chosen = id;
		for (const [other, r] of rows) r.element.classList.toggle("chosen", other === id);
		fill(detail, h("p", { class: "empty", text: "Looking it up …" }));
	}
	let stream;
	try {
		stream = await api.get("stream?messages=6&id=" + encodeURIComponent(id));
	} catch (err) {
		if (mine !== asked || (again && err.status !== 404)) return;
		detail.dataset.is = "";
		fill(detail, h("p", { class: err.status === 404 ? "empty" : "empty bad", text: err.status === 404 ? "There is no stream with this id: none is live, and nothing is stored." : f.printable(err.message) }));
		return;
	}
	if (mine !== asked) return;
	const is = JSON.stringify(stream);
	if (again && detail.dataset.is === is) return;
	detail.dataset.is = is;
	const { live, stored, messages, unreadable } = stream;
	const facts = [];
	if (live) {
		facts.push(fact("now", stateOf(live.state)), fact("a second", f.rate(live.rate)), fact("waiting", f.number(live.pending) + ", " + f.bytes(live.pending_bytes)), fact("accepted", f.number(live.accepted)));
		if (live.error) facts.push(fact("error", h("span", { class: "bad", text: f.printable(live.error) })));
	} else facts.push(fact("now", stateOf("not live")));
	for (const [key, name, write] of storedFacts) if (stored && stored[key] !== null && stored[key] !== undefined) facts.push(fact(name, write(stored[key])));
	const keep = document.activeElement?.closest("#stream-detail")?.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
	fill(detail,
		h("div", { class: "title" }, h("h3", null, idText(stream.id)), copier("the id", () => stream.id)),
		h("dl", { class: "facts" }, facts),
		unreadable ? h("p", { class: "note bad", text: f.printable(unreadable) }) : null,
		!unreadable && !stored ? h("p", { class: "note", text: "Nothing of it is stored yet." }) : null,
		messages?.length ? h("h4", { text: "Last stored messages, newest first" }) : null,
		messages?.length ? h("ol", { class: "messages" }, messages.map(message)) : null,
	);
	if (keep) detail.querySelector(`[aria-label="${CSS.escape(keep)}"]`)?.focus({ preventScroll: true });
}

function message(m) {
	const about = [m.op, m.client ? "from " + m.client : "", m.code ? "code " + m.code : ""].filter(Boolean).join(", ");
	return h("li", null,
		h("p", null, h("b", { text: f.seq(m.seq) }), " ", h("span", { text: f.printable(about), title: f.printable(about) }), " ", h("time", { text: f.when(m.received_at) })),
		h("code", { text: f.payload(m.data ?? ""), title: f.payload(m.data ?? "").slice(0, 2000) }));
}

export function make() {
	const table = $("busiest");
	table.addEventListener("pointerenter", () => (held = true));
	table.addEventListener("pointerleave", () => (held = table.contains(document.activeElement)));
	table.addEventListener("focusin", () => (held = true));
	table.addEventListener("focusout", () => (held = table.matches(":hover")));
	$("lookup").addEventListener("submit", (event) => {
		event.preventDefault();
		if ($("lookup-id").value) look($("lookup-id").value);
	});
}
