// Elements, made without HTML: what comes from messages is only ever text.

export const $ = (id) => document.getElementById(id);

// h makes an element. Keys of props that begin with "on" are listeners, "text" is
// its text, the others are attributes; null and false leave one out.
export function h(name, props, ...children) {
	const element = document.createElement(name);
	for (const [key, value] of Object.entries(props ?? {})) {
		if (value === null || value === undefined || value === false) continue;
		if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
		else if (key === "text") element.textContent = value;
		else element.setAttribute(key, value === true ? "" : value);
	}
	element.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
	return element;
}

// fill puts children in the place of what an element holds; null is none.
export function fill(element, ...children) {
	element.replaceChildren(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
}

const NS = "http://www.w3.org/2000/svg";

// svg makes an element of a drawing.
export function svg(name, attributes, ...children) {
	const element = document.createElementNS(NS, name);
	for (const [key, value] of Object.entries(attributes ?? {})) element.setAttribute(key, value);
	element.append(...children);
	return element;
}

export const icon = (name) => svg("svg", { "aria-hidden": "true" }, svg("use", { href: "#i-" + name }));

// text changes what an element says, and touches nothing where it says that already.
export function text(element, value) {
	if (element.textContent !== value) element.textContent = value;
}

export function attribute(element, name, value) {
	if (value === null) element.removeAttribute(name);
	else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function show(element, on) {
	if (element.hidden === on) element.hidden = !on;
}

// copier is a button that copies text.
export function copier(what, get) {
	const button = h("button", { type: "button", class: "icon copy", "aria-label": "Copy " + what, title: "Copy " + what }, icon("copy"));
	button.addEventListener("click", async () => {
		const done = await copy(get(), button);
		toast(done ? "Copied." : "The browser does not let this page copy.");
	});
	return button;
}

// copy works without the clipboard API, too, which a browser has on loopback and
// over TLS only.
async function copy(value, near) {
	if (navigator.clipboard) {
		try {
			await navigator.clipboard.writeText(value);
			return true;
		} catch {
			// the other way
		}
	}
	const area = h("textarea", { class: "unseen", readonly: true, "aria-hidden": "true" });
	area.value = value;
	near.after(area);
	area.select();
	const done = document.execCommand("copy");
	area.remove();
	near.focus();
	return done;
}

// toast says briefly how something ended.
export function toast(message, bad) {
	const line = h("p", { class: bad ? "toast bad" : "toast", text: message });
	$("toasts").append(line);
	setTimeout(() => line.remove(), bad ? 10000 : 4000);
}

// confirm asks before something is done. The dialog stays, with the error, where
// act fails.
export function confirm({ title, message, yes, danger, act }) {
	const dialog = $("confirm");
	const button = $("confirm-yes");
	text($("confirm-title"), title);
	text($("confirm-text"), message);
	text(button, yes);
	button.className = danger ? "danger" : "primary";
	button.disabled = false;
	show($("confirm-error"), false);
	button.onclick = async () => {
		button.disabled = true;
		try {
			await act();
			dialog.close();
		} catch (err) {
			text($("confirm-error"), err.message);
			show($("confirm-error"), true);
			button.disabled = false;
		}
	};
	dialog.showModal();
	$("confirm-no").focus();
}
