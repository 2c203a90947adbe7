// Numbers, sizes, times and ids as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const none = "–";

const missing = (n) => n === null || n === undefined || Number.isNaN(n);

export const number = (n) => (missing(n) ? none : whole.format(n));

// compact is for the axes of charts.
export const compact = (n) => short.format(n).replace("K", "k");

// rate shows slow flows, too, which a whole number would call nothing.
export function rate(n) {
	if (missing(n)) return none;
	return n > 0 && n < 9.95 ? n.toFixed(1) : whole.format(n);
}

export function bytes(n) {
	if (missing(n)) return none;
	let unit = 0;
	for (; n >= 1024 && unit < 4; unit++) n /= 1024;
	return (unit > 0 && n < 9.95 ? n.toFixed(1) : whole.format(n)) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][unit];
}

// latency is of seconds: the number and its unit.
export function latency(seconds) {
	if (missing(seconds)) return [none, ""];
	const ms = seconds * 1000;
	if (ms < 9.95) return [ms.toFixed(1), "ms"];
	if (ms < 999.5) return [whole.format(ms), "ms"];
	return [seconds < 9.95 ? seconds.toFixed(1) : whole.format(seconds), "s"];
}

export const latencyText = (seconds) => latency(seconds).join(" ").trim();

export function plural(n, one, many) {
	return whole.format(n) + " " + (n === 1 ? one : many ?? one + "s");
}

const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const time = (date) => clock.format(date);

// when is a time of today, or a day with its time.
export function when(value) {
	if (!value) return none;
	const date = new Date(value);
	if (Number.isNaN(date.getTime())) return String(value);
	if (date.getUTCFullYear() < 2) return none; // Go's zero time
	const now = new Date();
	if (date.toDateString() === now.toDateString()) return time(date);
	return day.format(date) + " " + (date.getFullYear() === now.getFullYear() ? minute.format(date) : date.getFullYear());
}

// ago is how long something lasts: its two largest units.
export function span(seconds) {
	const s = Math.max(0, Math.floor(seconds));
	if (s < 60) return s + " s";
	if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
	if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
	return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
}

// printable shows what would be invisible, or would turn the direction of the text
// around it.
export function printable(value) {
	return String(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => "\\u{" + c.codePointAt(0).toString(16) + "}");
}

// payload is printable text in which lines may end.
export function payload(value) {
	return String(value).replace(/[^\n\t]/gu, (c) => (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(c) ? printable(c) : c));
}

// seq is a number that a client gave. Those from 2^62 on are the daemon's own, which
// mean nothing to anybody.
export const seq = (n) => (n === undefined || n === null || BigInt(n) === 0n || BigInt(n) >= 2n ** 62n ? none : String(n));

// words makes a reason or a code readable: per_address is "per address".
export const words = (name) => printable(name).replace(/_/g, " ");
