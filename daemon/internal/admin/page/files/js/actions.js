// What an operator does: a test message, a reload, a look at the configuration.

import { $, attribute, copier, fill, h, show, text, toast } from "./dom.js";
import * as api from "./api.js";
import * as f from "./format.js";

const example = `{"id": "test-1", "data": {"celsius": 20.5}}`;

function answer(state, title, lines, raw) {
	fill($("send-answer"),
		h("p", { class: "verdict " + state, text: title }),
		lines.length ? h("ul", null, lines.map((l) => h("li", { text: f.printable(l) }))) : null,
		raw ? h("pre", { tabindex: "0", role: "region", "aria-label": "The answer as it came", text: f.payload(raw) }) : null,
	);
}

async function send(event) {
	event.preventDefault();
	const button = event.submitter ?? $("send-form").querySelector("button");
	button.disabled = true;
	answer("", "Sent. Waiting until it is stored …", [], "");
	const begun = performance.now();
	try {
		const { status, body } = await api.send($("send-text").value, $("send-client").value);
		const took = f.latencyText((performance.now() - begun) / 1000);
		let said = null;
		try {
			said = JSON.parse(body);
		} catch {
			// a line of text
		}
		if (!said || said.messages === undefined) {
			answer("bad", "Not taken: status " + status + ".", [said?.error ?? body], "");
			return;
		}
		const stored = said.stored ?? said.spooled ?? 0;
		const errors = said.errors ?? [];
		const word = "spooled" in said ? "On the daemon's disk" : "Stored";
		const title = errors.length ? f.plural(stored, "message") + " stored, " + f.plural(errors.length, "error") + "." : word + ": " + f.plural(stored, "message") + " within " + took + ".";
		answer(errors.length ? "bad" : "ok", title, errors.map((e) => e.code + ": " + e.error), body);
	} catch (err) {
		answer("bad", err.message, [], "");
	} finally {
		button.disabled = false;
	}
}

function outcome(state, title, lines) {
	fill($("reload-outcome"),
		h("p", { class: "verdict " + state, text: title }),
		lines.length ? h("ul", null, lines.map((l) => h("li", { text: f.printable(l) }))) : null,
	);
}

async function reload() {
	const button = $("reload");
	button.disabled = true;
	outcome("", "Reading it …", []);
	try {
		const { changed, needs_restart: restart } = await api.post("reload");
		const lines = (changed ?? []).map((c) => c + " is in effect").concat((restart ?? []).map((c) => c + " needs a restart"));
		outcome(restart?.length ? "warn" : "ok", changed?.length || restart?.length ? "Reloaded." : "Reloaded: nothing has changed.", lines);
		if (!$("config-text").hidden) await config();
	} catch (err) {
		outcome("bad", "Not reloaded: everything stays as it was.", err.message.split("\n").filter(Boolean));
	} finally {
		button.disabled = false;
	}
}

async function config() {
	try {
		const { source, text: all } = await api.get("config");
		fill($("config-text"),
			h("div", { class: "title" }, h("p", { class: "note", text: f.printable(source || "the defaults") + "; secrets are masked" }), copier("the configuration", () => all)),
			h("pre", { class: "config", tabindex: "0", role: "region", "aria-label": "Effective configuration", text: f.payload(all) }));
	} catch (err) {
		fill($("config-text"), h("p", { class: "empty bad", text: f.printable(err.message) }));
	}
}

async function level(event) {
	const wanted = event.target.value;
	try {
		await api.post("log-level", { level: wanted }, "PUT");
		toast("The log level is " + wanted + ", until the next reload.");
	} catch (err) {
		toast(f.printable(err.message), true);
	}
}

export function update(status) {
	const log = $("log-level");
	log.disabled = status.read_only;
	if (document.activeElement !== log) log.value = status.log_level;
	const restart = status.needs_restart ?? [];
	text($("config-hint"), restart.length ? "a restart is needed for " + restart.join(", ") : status.config ? f.printable(status.config) : "");
	for (const button of [$("reload"), $("send-form").querySelector("button[type=submit]")]) {
		if (status.read_only) button.disabled = true;
		else if (button.dataset.readOnly) button.disabled = false;
		button.dataset.readOnly = status.read_only ? "yes" : "";
	}
}

export function make() {
	$("send-text").value = example;
	$("send-form").addEventListener("submit", send);
	$("send-text").addEventListener("keydown", (event) => {
		if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("send-form").requestSubmit();
	});
	$("reload").addEventListener("click", reload);
	$("log-level").addEventListener("change", level);
	$("config-show").addEventListener("click", async () => {
		const open = $("config-text").hidden;
		if (open) await config();
		show($("config-text"), open);
		attribute($("config-show"), "aria-expanded", String(open));
		text($("config-show"), open ? "Hide it" : "Show what is in effect");
	});
}
