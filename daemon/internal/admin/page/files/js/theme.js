// It runs before the page is drawn, so that the page does not flash in the other
// theme. The choice is kept by the browser.
"use strict";
(() => {
	const dark = matchMedia("(prefers-color-scheme: dark)");
	const root = document.documentElement;
	const draw = () => {
		const { choice } = root.dataset;
		root.dataset.theme = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
		dispatchEvent(new Event("theme"));
	};
	root.dataset.choice = "system";
	try {
		const kept = localStorage.getItem("theme");
		if (kept === "light" || kept === "dark") root.dataset.choice = kept;
	} catch {
		// a browser that keeps nothing: as the system has it
	}
	draw();
	dark.addEventListener("change", draw);
	addEventListener("choice", draw);
})();
