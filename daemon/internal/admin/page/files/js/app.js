// The page: it asks for the history once, and lives by one stream of events.

import { $, attribute, show, text } from "./dom.js";
import * as actions from "./actions.js";
import * as api from "./api.js";
import * as charts from "./charts.js";
import * as f from "./format.js";
import { History } from "./history.js";
import * as letters from "./letters.js";
import * as overview from "./overview.js";
import * as pipeline from "./pipeline.js";
import * as streams from "./streams.js";
import * as tail from "./tail.js";

const history = new History();
let last = null; // the last status
let lastAt = 0;
let up = false;

function link(state, word) {
	attribute($("link"), "data-link", state);
	text($("link").lastElementChild, word);
}

function status(s) {
	last = s;
	lastAt = Date.now();
	overview.headline(overview.state(s), s.summary);
	overview.update(s);
	pipeline.update(s);
	letters.update(s);
	actions.update(s);
	text($("footer"), f.printable(["ingestd", s.version.version, s.version.commit?.slice(0, 12), s.version.go].filter(Boolean).join("  ·  ")));
	show($("logout"), signedIn);
}

function draw() {
	charts.draw(history);
	overview.trends(history);
}

const events = new api.Events({
	up: async () => {
		up = true;
		gone = false;
		document.body.classList.remove("stale");
		show($("away"), false);
		link("live", "live");
		await fill();
	},
	down: () => {
		link("away", "reconnecting");
		if (!up && last) away();
		up = false;
		check();
	},
	status: ({ status: s, point }) => {
		status(s);
		history.push(s.now, point);
		draw();
	},
	streams: (s) => streams.update(s),
	messages: (m) => tail.update(m),
});

// fill asks for the history: at the start, and after the page was away.
async function fill() {
	try {
		history.fill(await api.get("history"));
		draw();
	} catch {
		// the events go on; what they tell is drawn
	}
}

let gone = false;

// away keeps the last values, and says that they are old.
function away() {
	if (gone) return;
	gone = true;
	document.body.classList.add("stale");
	text($("away-text"), `The daemon does not answer since ${f.time(new Date(lastAt))}. Below is what it said last; this page comes back by itself.`);
	show($("away"), true);
	overview.headline("away", "The daemon is away.");
	show($("ready"), false);
}

let checking = false;

// check finds out why there are no events.
async function check() {
	if (checking) return;
	checking = true;
	try {
		const s = await api.get("status");
		gate(false);
		status(s);
	} catch (err) {
		if (err.status === 401) return;
		if (err.status === 403) gate(true, err.message);
		else if (last) away();
		else overview.headline("away", err.message);
	} finally {
		checking = false;
	}
}

let signedIn = false;

// session finds out whether there is something to sign out of.
async function session() {
	try {
		const { token_needed: needed, signed_in: signed } = await api.get("session");
		signedIn = needed && signed;
		show($("logout"), signedIn);
	} catch {
		// the button is not there, then
	}
}

// gate stands before the page: where a token is wanted, or nobody is let in.
function gate(on, message) {
	show($("gate"), on);
	show($("page"), !on);
	show($("nav"), !on);
	if (!on) return;
	events.stop();
	show($("away"), false);
	show($("logout"), false);
	link("away", "not signed in");
	document.body.dataset.state = "loading";
	document.title = "Sign in · ingestd";
	show($("login"), !message);
	text($("gate-title"), message ? "This page is closed" : "Sign in");
	text($("gate-text"), message ? f.printable(message) : "This daemon asks for its admin token.");
	if (!message) $("token").focus();
}

async function start() {
	link("loading", "connecting");
	try {
		const s = await api.get("status");
		gate(false);
		status(s);
		session();
		await fill();
	} catch (err) {
		if (err.status === 401) return;
		if (err.status === 403) {
			gate(true, err.message);
			return;
		}
		overview.headline("away", err.message);
		link("away", "reconnecting");
	}
	events.start();
}

function login(event) {
	event.preventDefault();
	show($("login-error"), false);
	api.login($("token").value).then(
		() => {
			$("token").value = "";
			return start();
		},
		(err) => {
			text($("login-error"), err.status === 401 || err.status === 403 ? "This is not the token." : f.printable(err.message));
			show($("login-error"), true);
			$("token").select();
		},
	);
}

const themes = ["system", "light", "dark"];

function theme(choice) {
	document.documentElement.dataset.choice = choice;
	const button = $("theme");
	attribute(button, "aria-label", "Theme: " + (choice === "system" ? "as the system has it" : choice));
	attribute(button, "title", button.getAttribute("aria-label"));
	dispatchEvent(new Event("choice"));
}

function nextTheme() {
	const now = document.documentElement.dataset.choice;
	const next = themes[(themes.indexOf(now) + 1) % themes.length];
	try {
		localStorage.setItem("theme", next);
	} catch {
		// it is kept for as long as the page is open
	}
	theme(next);
}

overview.make();
charts.make();
streams.make();
letters.make();
tail.make((id) => events.tail(id));
actions.make();
theme(document.documentElement.dataset.choice);
$("theme").addEventListener("click", nextTheme);
$("login").addEventListener("submit", login);
$("logout").addEventListener("click", () => api.logout().finally(() => location.reload()));
document.addEventListener("signed-out", () => gate(true));
start();
