// The headline, the figures, and what to do where nothing has come in yet.

import { $, attribute, copier, h, show, svg, text } from "./dom.js";
import * as f from "./format.js";

// state is the condition of a status; that of one where all is well is whether
// anything flows.
export function state({ condition, rates, messages }) {
	if (condition !== "ok") return condition;
	return rates.received > 0 || messages.pending > 0 ? "flowing" : "idle";
}

const said = {
	flowing: "Flowing", idle: "Idle", refusing: "Refusing", waiting: "Waiting", failing: "Failing", blocked: "Blocked",
	starting: "Starting", draining: "Draining", away: "Away", loading: "Loading",
};

const calm = new Set(["flowing", "idle", "loading"]);
const icons = { idle: "flowing", starting: "loading" }; // where it is that of another state
let announced = "loading";

export function headline(name, summary) {
	document.body.dataset.state = name;
	attribute($("headline-icon"), "href", "#i-" + (icons[name] ?? name));
	if ($("word").textContent !== said[name]) {
		text($("word"), said[name]);
		// A screen reader hears of a change, and not each second.
		if (!(calm.has(name) && calm.has(announced))) text($("announce"), said[name] + ". " + summary);
		announced = name;
	}
	text($("summary"), f.printable(summary));
	document.title = calm.has(name) ? "ingestd" : said[name] + " · ingestd";
}

function meta(status) {
	const up = (Date.parse(status.now) - Date.parse(status.started)) / 1000;
	const parts = ["up " + f.span(up)];
	if (status.config) parts.push(status.config);
	if (status.version.version) parts.push("ingestd " + status.version.version);
	if (status.read_only) parts.push("read-only");
	text($("meta"), f.printable(parts.join("  ·  ")));
	const ready = $("ready");
	show(ready, true);
	ready.className = status.ready ? "chip ok" : "chip bad";
	text(ready, status.ready ? "ready" : "not ready");
	attribute(ready, "title", status.ready ? "It takes messages." : f.printable(status.reason));
}

const sum = (counts) => Object.values(counts ?? {}).reduce((a, b) => a + b, 0);

const figures = [
	{ key: "received", label: "In", unit: "/s", value: (s) => f.rate(s.rates.received), note: (s) => f.number(s.messages.received) + " received" },
	{
		key: "stored", label: "Stored", unit: "/s", value: (s) => f.rate(s.rates.stored),
		note: (s) => f.number(s.messages.stored) + " stored",
	},
	{
		// What waits in the spool is there until it is settled, in memory or not.
		key: "pending", label: "Waiting", value: (s) => f.number(Math.max(s.messages.pending, s.spool?.messages ?? 0)),
		note: (s) => (s.spool ? f.bytes(s.spool.bytes) + " on disk" : f.bytes(s.messages.pending_bytes) + " of " + f.bytes(s.messages.max_pending)),
		share: (s) => (s.spool ? s.spool.bytes / s.spool.max : s.messages.pending_bytes / s.messages.max_pending),
	},
	{
		key: "stored_p99", label: "Receipt to stored", latency: true, wide: true,
		value: (s) => s.latency.stored, note: () => "p50 and p99 of the last minute",
	},
	{ key: "streams", label: "Live streams", value: (s) => f.number(s.streams.live), note: (s) => "of at most " + f.number(s.streams.max) },
	{
		key: "connections", label: "Connections", value: (s) => f.number(s.transports.reduce((n, t) => n + (t.connections ?? 0), 0)),
		note: (s) => {
			const refused = s.transports.reduce((n, t) => n + sum(t.refused), 0);
			return refused ? f.number(refused) + " refused" : "none refused";
		},
	},
	{
		key: "dead_lettered", label: "Dead letters", value: (s) => f.number(s.dead_letters.letters), href: "#dead-letters",
		note: (s) => (s.dead_letters.error ? "cannot be counted" : s.dead_letters.letters ? "wait for a decision" : "nothing was refused"),
		bad: (s) => s.dead_letters.letters > 0,
	},
];

// spark draws the last five minutes of a series.
function spark() {
	const line = svg("path", { class: "line" });
	const area = svg("path", { class: "area" });
	return { line, area, element: svg("svg", { class: "spark", viewBox: "0 0 300 32", preserveAspectRatio: "none", "aria-hidden": "true" }, area, line) };
}

function drawSpark({ line, area }, values) {
	values = values.slice(-300);
	const max = Math.max(...values.map((v) => v ?? 0)) || 1;
	let path = "";
	let filled = "";
	let begun = -1;
	for (let i = 0; i <= values.length; i++) {
		const v = values[i] ?? null;
		if (v === null) {
			if (begun >= 0 && begun === i - 1) path += "h.01"; // a dot, which a line of one point is not
			if (begun >= 0) filled += `L${i - 1} 32L${begun} 32Z`;
			begun = -1;
			continue;
		}
		const y = (30 - (v / max) * 27).toFixed(1);
		const step = (begun < 0 ? "M" : "L") + i + " " + y;
		path += step;
		filled += step;
		if (begun < 0) begun = i;
	}
	line.setAttribute("d", path);
	area.setAttribute("d", filled);
}

export function make() {
	for (const figure of figures) {
		figure.spark = spark();
		figure.number = h("span", { class: "value", text: f.none });
		figure.under = h("dd", { class: "note", text: "\u00a0" });
		const label = figure.href ? h("a", { href: figure.href, text: figure.label }) : figure.label;
		figure.bar = figure.share ? h("i", { class: "bar-fill" }) : null;
		figure.box = h("div", { class: "figure", id: "figure-" + figure.key },
			h("dt", null, label), h("dd", { class: "big" }, figure.number, figure.unit ? h("span", { class: "per", text: figure.unit }) : null),
			figure.under, h("dd", { class: "trend", "aria-hidden": "true" }, figure.spark.element, figure.bar ? h("span", { class: "meter" }, figure.bar) : null));
		$("figures").append(figure.box);
	}
}

function pair(element, { p50, p99 }) {
	const [a, unitA] = f.latency(p50);
	const [b, unitB] = f.latency(p99);
	const want = [a, unitA, b, unitB].join("|");
	if (element.dataset.is === want) return;
	element.dataset.is = want;
	const unit = (u) => h("span", { class: "per", text: u });
	if (!unitB) element.replaceChildren(a);
	else element.replaceChildren(a, unitA === unitB ? "" : unit(unitA), h("span", { class: "slash", text: "/" }), b, unit(unitB));
}

export function update(status) {
	meta(status);
	for (const figure of figures) {
		if (figure.latency) pair(figure.number, figure.value(status) ?? {});
		else text(figure.number, figure.value(status));
		text(figure.under, figure.note(status));
		attribute(figure.under, "title", figure.under.textContent);
		if (figure.bar) figure.bar.style.width = Math.min(100, Math.max(0, figure.share(status) * 100 || 0)) + "%";
		figure.box.classList.toggle("bad", Boolean(figure.bad?.(status)));
	}
	const letters = status.dead_letters.letters;
	show($("nav-letters"), letters > 0);
	text($("nav-letters"), f.number(letters));
	start(status);
}

export function trends(history) {
	const spool = history.get("spool");
	for (const figure of figures) {
		const values = history.get(figure.key);
		drawSpark(figure.spark, figure.key === "pending" ? values.map((v, i) => (v === null ? v : Math.max(v, spool[i] ?? 0))) : values);
	}
}

// start tells who has just started the daemon how to send something.
function start(status) {
	const fresh = status.messages.received === 0 && sum(status.messages.rejected) === 0;
	show($("start"), fresh);
	if (!fresh || $("start").dataset.filled) return;
	$("start").dataset.filled = "yes";
	const websocket = status.transports.find((t) => t.kind === "websocket");
	const url = websocket?.url ?? "ws://127.0.0.1:7001/ws";
	const shell = "ingestd send --generate 1000" + (websocket && url !== "ws://127.0.0.1:7001/ws" ? " --url " + url : "");
	const js = `const s = new WebSocket("${url}")
s.onmessage = (e) => console.log(e.data)
s.onopen = () => s.send('{"id":"sensor-1","seq":1,"data":20.5} {"op":"flush"}')`;
	for (const [id, code] of [["start-shell", shell], ["start-js", js]]) {
		text($(id), code);
		$(id).after(copier("this", () => code));
		show($(id).closest(".ways > div"), Boolean(websocket));
	}
}
