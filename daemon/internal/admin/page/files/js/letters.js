// Dead letters: the list, one of them, and what can be done about them.

import { $, attribute, confirm, copier, fill, h, show, text, toast } from "./dom.js";
import * as api from "./api.js";
import * as f from "./format.js";
import { idText } from "./streams.js";

const page = 50;
const selected = new Set();
let shown = []; // letters
let filter = "";
let known = ""; // what the status said of them last
let asked = 0;
let readOnly = false;
let total = 0;
let request = ""; // of the last replay, until it is known what became of it

async function load(after) {
	const mine = ++asked;
	const query = new URLSearchParams({ limit: String(after ? page : Math.max(page, shown.length)) });
	if (filter) query.set("id", filter);
	if (after) query.set("after", after);
	let answer;
	try {
		answer = await api.get("dead-letters?" + query);
	} catch (err) {
		if (mine !== asked) return;
		known = "";
		if (shown.length === 0) empty(f.printable(err.message), true);
		return;
	}
	if (mine !== asked) return;
	shown = after ? shown.concat(answer.letters) : answer.letters;
	const there = new Set(shown.map((l) => l.number));
	for (const number of selected) if (!there.has(number)) selected.delete(number);
	draw(answer.more);
}

function empty(message, bad) {
	const line = $("letters-empty");
	show(line, true);
	line.className = bad ? "empty bad" : "empty";
	text(line, message);
	show($("letters"), false);
}

function draw(more) {
	show($("letters-bar"), shown.length > 0 || filter !== "");
	show($("letters-more"), Boolean(more));
	if (shown.length === 0) empty(filter ? "None has this id." : "None. The sink has refused nothing, or everything that it refused was dealt with.");
	else {
		show($("letters-empty"), false);
		show($("letters"), true);
	}
	$("letters").tBodies[0].replaceChildren(...shown.map(row));
	marks();
}

function row(letter) {
	const number = String(letter.number);
	if (letter.unreadable) {
		return h("tr", { "data-number": number }, h("td", { class: "tick" }, box(number)), h("td", { colspan: "6", class: "bad", text: "Letter " + number + " cannot be read: " + f.printable(letter.unreadable) }), h("td", { class: "acts" }, act("Discard", () => discard([number], "letter " + number))));
	}
	const reason = letter.error_code ? h("b", { text: f.printable(letter.error_code) + " " }) : null;
	return h("tr", { "data-number": number, class: letter.replay ? "marked" : null },
		h("td", { class: "tick" }, box(number)),
		h("td", { class: "num", text: number }),
		h("td", { class: "nowrap", text: f.when(letter.refused_at) }),
		h("td", { class: "name" }, h("button", { class: "plain", "aria-label": "Look at letter " + number + " of " + f.printable(letter.id), onclick: () => look(letter) }, idText(letter.id))),
		h("td", { class: "num wide", text: f.seq(letter.seq), title: String(letter.seq) }),
		h("td", { class: "wide" }, h("span", { class: "id", text: f.printable(letter.client || f.none), title: f.printable(letter.client) })),
		h("td", { class: "reason", title: f.printable(letter.reason) }, reason, h("span", { text: f.printable(letter.reason) }), letter.replay ? h("span", { class: "chip", text: "waits to be replayed" }) : null),
		h("td", { class: "acts" }, act("Look", () => look(letter)), conflicts(letter) ? null : act("Replay", () => replay([number], "letter " + number)), act("Discard", () => discard([number], "letter " + number))));
}

function act(name, then) {
	return h("button", { class: "small" + (name === "Look" ? "" : " write"), disabled: name !== "Look" && readOnly, text: name, onclick: then });
}

function box(number) {
	const tick = h("input", { type: "checkbox", "aria-label": "Select letter " + number });
	tick.checked = selected.has(number);
	tick.addEventListener("change", () => {
		if (tick.checked) selected.add(number);
		else selected.delete(number);
		marks();
	});
	return tick;
}

// marks shows what is selected.
function marks() {
	const all = $("letters-tick");
	all.checked = shown.length > 0 && selected.size === shown.length;
	all.indeterminate = selected.size > 0 && selected.size < shown.length;
	text($("letters-selected"), selected.size ? f.number(selected.size) + " selected" : "");
	for (const id of ["replay-selected", "discard-selected"]) $(id).disabled = readOnly || selected.size === 0;
	for (const id of ["replay-all", "discard-all"]) $(id).disabled = readOnly || shown.length === 0;
}

async function run(what, body) {
	const changed = await api.post("dead-letters/" + what, body);
	selected.clear();
	$("letter").close();
	if (changed.request) {
		request = changed.request;
		await outcome();
	} else toast(f.plural(changed.letters, "letter") + " discarded.");
	await load();
}

// outcome says what has become of the last replay so far. It is asked with each
// status, until no letter waits any more.
async function outcome() {
	const mine = request;
	let o;
	try {
		o = await api.get("dead-letters/replays/" + mine);
	} catch (err) {
		if (err.status === 404 && mine === request) request = "";
		return; // it is asked again
	}
	if (mine !== request) return;
	const parts = [[o.stored, " stored"], [o.refused, " refused again"], [o.waiting, o.waiting === 1 ? " waits" : " wait"]];
	const line = $("replay-outcome");
	line.className = "outcome" + (o.refused ? " bad" : "");
	text(line, "Replay of " + f.plural(o.asked, "letter") + ": " + (parts.filter(([n]) => n).map(([n, what]) => f.number(n) + what).join(", ") || "all discarded") + ".");
	show(line, true);
	if (o.waiting === 0) request = "";
}

// conflicts tells whether other content is stored under a letter's number: so it
// would be refused again.
const conflicts = (letter) => letter.error_code === "conflict";

const everything = () => (filter ? { id: filter } : { all: true });

function replay(numbers, name) {
	const again = shown.filter((l) => conflicts(l) && (!numbers || numbers.includes(String(l.number)))).length;
	confirm({
		title: "Replay " + name + "?",
		message: "What is replayed goes to the sink again, with the number that it had. What is refused again becomes a dead letter again." +
			(again ? " " + f.plural(again, "conflict") + " will conflict again, as long as other content is stored under the same number." : ""),
		yes: "Replay",
		act: () => run("replay", numbers ? { numbers } : everything()),
	});
}

function discard(numbers, name) {
	confirm({
		title: "Discard " + name + "?",
		message: numbers?.length === 1 ? "It is deleted for good: it is stored nowhere else." : "They are deleted for good: they are stored nowhere else.",
		yes: "Discard",
		danger: true,
		act: () => run("discard", numbers ? { numbers } : everything()),
	});
}

const allName = () => (filter ? "all letters of " + f.printable(filter) : "all " + f.plural(total, "letter"));
const someName = () => f.plural(selected.size, "letter");

async function look(letter) {
	const number = String(letter.number);
	text($("letter-title"), "Dead letter " + number);
	fill($("letter-body"), h("p", { class: "empty", text: "Loading …" }));
	fill($("letter-actions"));
	if (!$("letter").open) $("letter").showModal();
	let l;
	try {
		l = await api.letter(number);
	} catch (err) {
		fill($("letter-body"), h("p", { class: "empty bad", text: err.status === 404 ? "It is gone: it was replayed or discarded meanwhile." : f.printable(err.message) }));
		return;
	}
	const data = "data_base64" in l ? l.data_base64 : JSON.stringify(l.data, null, 2) ?? "";
	const fact = (name, value) => (value === undefined || value === null || value === "" ? null : h("div", null, h("dt", { text: name }), h("dd", { text: f.printable(value) })));
	fill($("letter-body"),
		h("p", { class: "why bad" }, l.error_code ? h("b", { text: f.printable(l.error_code) + " " }) : null, f.printable(l.reason ?? "")),
		h("div", { class: "title" }, h("h3", null, h("span", { class: "id whole", text: f.printable(l.id) })), copier("the id", () => l.id)),
		h("dl", { class: "facts two" },
			fact("refused", f.when(l.refused_at)), fact("by", l.sink), fact("attempts", f.number(l.attempts)),
			fact("seq", l.seq), fact("op", l.op), fact("code", JSON.stringify(l.code)), fact("client", l.client), fact("sender", l.sender),
			fact("from", l.remote), fact("happened", f.when(l.sent_at)), fact("received", f.when(l.received_at)), fact("replay", l.replay ? "waits to be sent again" : "")),
		h("div", { class: "title" }, h("h4", { text: "data_base64" in l ? "Data, which is no JSON, in base64" : "Data" }), copier("the data", () => data)),
		h("pre", { tabindex: "0", role: "region", "aria-label": "Data", text: f.payload(data) }),
	);
	if (conflicts(l)) standing(l);
	fill($("letter-actions"),
		h("button", { class: "danger write", text: "Discard …", disabled: readOnly, onclick: () => discard([number], "letter " + number) }),
		h("button", { class: (conflicts(l) ? "" : "primary ") + "write", text: conflicts(l) ? "Replay anyway …" : "Replay …", disabled: readOnly, onclick: () => replay([number], "letter " + number) }),
	);
}

// standing shows what is stored under the number of a conflict, where the last
// messages of its stream have it.
async function standing(l) {
	const part = h("div", { id: "letter-stored" });
	$("letter-body").append(h("p", { class: "note", text: "Sending it again does not help: it will conflict again, as long as the other content is stored." }), part);
	let why = "";
	let found;
	try {
		const { messages, unreadable } = await api.get("stream?messages=100&id=" + encodeURIComponent(l.id));
		found = messages.find((m) => m.seq === String(l.seq) && m.client === l.client);
		why = unreadable || "It is not among the last 100 messages of the stream.";
	} catch (err) {
		why = err.message;
	}
	fill(part,
		h("div", { class: "title" }, h("h4", { text: "Stored under this number" }), found ? copier("what is stored", () => found.data) : null),
		found ? h("pre", { tabindex: "0", role: "region", "aria-label": "What is stored", text: f.payload(found.data) }) : h("p", { class: "empty", text: f.printable(why) }),
	);
}

// update asks for the list where the status says that it is another one.
export function update(status) {
	const { letters, marked, error } = status.dead_letters;
	total = letters;
	if (readOnly !== Boolean(status.read_only)) {
		readOnly = Boolean(status.read_only);
		marks();
	}
	if (request) outcome();
	if (error && shown.length === 0) empty(f.printable(error), true);
	const now = [letters, marked, error].join();
	if (now === known) return;
	known = now;
	text($("letters-hint"), letters ? f.plural(letters, "message") + " that the sink refused for good" + (marked ? ", " + f.number(marked) + " wait to be replayed" : "") : "messages that the sink refused for good; they are kept until you decide");
	if (!error) load();
}

export function make() {
	$("letters-tick").addEventListener("change", (event) => {
		selected.clear();
		if (event.target.checked) for (const l of shown) selected.add(String(l.number));
		for (const tick of $("letters").tBodies[0].querySelectorAll("input")) tick.checked = event.target.checked;
		marks();
	});
	$("letters-filter").addEventListener("submit", (event) => event.preventDefault());
	let wait = 0;
	$("letters-id").addEventListener("input", (event) => {
		clearTimeout(wait);
		wait = setTimeout(() => {
			filter = event.target.value;
			shown = [];
			selected.clear();
			attribute($("replay-all"), "title", filter ? "Only of the id that is filtered by" : null);
			load();
		}, 250);
	});
	$("letters-more").addEventListener("click", () => load(String(shown.at(-1)?.number ?? "")));
	$("replay-selected").addEventListener("click", () => replay([...selected], someName()));
	$("discard-selected").addEventListener("click", () => discard([...selected], someName()));
	$("replay-all").addEventListener("click", () => replay(null, allName()));
	$("discard-all").addEventListener("click", () => discard(null, allName()));
	$("letter-close").addEventListener("click", () => $("letter").close());
}
