// The live tail.

import { $, attribute, h, show, text } from "./dom.js";
import * as f from "./format.js";

const most = 500; // lines that are kept

let on = null; // the id that it is filtered by; null: off
let paused = false;
let dropped = 0;
let seen = 0;
let held = []; // what came while it was paused

function line(m) {
	const data = m.cut ? "too large to be shown here" : JSON.stringify(m.data) ?? "";
	const cut = data.length > 1000 ? data.slice(0, 1000) + "…" : data;
	const shown = f.printable(m.id);
	return h("div", { class: "line" },
		h("time", { text: f.when(m.received_at) }),
		h("span", { class: "id", title: shown, text: shown }),
		h("span", { class: "seq", text: (m.op && m.op !== "report" ? f.printable(m.op) + " " : "") + f.seq(m.seq) }),
		h("code", { text: f.payload(cut), title: f.printable(m.client || m.sender || m.remote || "") }));
}

function add(messages) {
	const lines = $("tail-lines");
	const bottom = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;
	lines.append(...messages.map(line));
	while (lines.childElementCount > most) lines.firstElementChild.remove();
	if (bottom) lines.scrollTop = lines.scrollHeight;
	status();
}

function status() {
	const parts = [];
	if (on !== null) {
		parts.push(paused ? "paused" + (held.length ? ", " + f.number(held.length) + " held" : "") : on ? "only " + f.printable(on) : "all streams");
		parts.push(f.number(seen) + " shown");
	}
	if (dropped) parts.push(f.number(dropped) + " left out");
	text($("tail-status"), parts.join(" · "));
	attribute($("tail-status"), "title", dropped ? "The page takes a part of what flows: filter by an id to see all of one stream." : null);
	const empty = $("tail-lines").childElementCount === 0;
	show($("tail-lines"), !empty);
	show($("tail-empty"), empty);
	text($("tail-empty"), on === null ? "Start it to see messages here. It costs nothing while it is off." : "Nothing yet. A message is shown the moment that it is accepted.");
}

export function update(batch) {
	if (on === null) return;
	dropped += batch.dropped ?? 0;
	if (paused) {
		held = held.concat(batch.messages);
		if (held.length > most) {
			dropped += held.length - most;
			held = held.slice(-most);
		}
		status();
		return;
	}
	seen += batch.messages.length;
	add(batch.messages);
}

// make takes what opens the stream of events anew.
export function make(tail) {
	const set = (id) => {
		on = id;
		paused = false;
		held = [];
		text($("tail-toggle"), id === null ? "Start" : "Stop");
		attribute($("tail-toggle"), "class", id === null ? "primary" : "");
		$("tail-pause").disabled = id === null;
		attribute($("tail-pause"), "aria-pressed", "false");
		text($("tail-pause"), "Pause");
		tail(id);
		status();
	};
	const clear = () => {
		$("tail-lines").replaceChildren();
		dropped = seen = 0;
		held = [];
		status();
	};
	$("tail-form").addEventListener("submit", (event) => {
		event.preventDefault();
		const id = $("tail-id").value;
		const typed = document.activeElement === $("tail-id");
		if (on !== null && !(typed && id !== on)) return set(null);
		clear();
		set(id);
	});
	$("tail-pause").addEventListener("click", () => {
		paused = !paused;
		attribute($("tail-pause"), "aria-pressed", String(paused));
		text($("tail-pause"), paused ? "Go on" : "Pause");
		if (!paused) {
			seen += held.length;
			add(held.splice(0));
		}
		status();
	});
	$("tail-clear").addEventListener("click", clear);
	status();
}
