// The charts: the last 15 minutes, with the values under the pointer in the legend.

import { $, h, show, text } from "./dom.js";
import { points } from "./history.js";
import * as f from "./format.js";

const uPlot = globalThis.uPlot; // the vendored script makes it
const sync = uPlot.sync("charts");
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const reasons = ["count", "bytes", "linger", "flush", "done", "disconnect", "pressure", "drain"];

const plans = [
	{
		name: "rate", title: "Rate", unit: "messages a second", read: f.rate, axis: f.compact, least: 1,
		series: [
			{ key: "received", label: "in", color: "--c1" },
			{ key: "stored", label: "stored", color: "--c2", fill: true },
			{ key: "dead_lettered", label: "refused", color: "--bad", optional: true, width: 2 },
		],
	},
	{
		name: "latency", title: "Latency", unit: "from receipt to stored", read: f.latencyText, axis: (s) => (s ? f.latencyText(s) : "0"), least: 0.001,
		series: [
			{ key: "stored_p50", label: "p50", color: "--c2", fill: true },
			{ key: "stored_p99", label: "p99", color: "--c1" },
			{ key: "write_p99", label: "write p99", color: "--c3", dash: [3, 3] },
		],
	},
	{
		name: "waiting", title: "Waiting", unit: "messages not yet stored", read: f.number, axis: f.compact, least: 1,
		series: [
			{ key: "pending", label: "in memory", color: "--c2", fill: true },
			{ key: "spool", label: "in the spool", color: "--c3", fill: true, optional: true },
		],
	},
	{
		name: "flushes", title: "Why batches are stored", unit: "flushes a second", read: f.rate, axis: f.compact, least: 1, stacked: true,
		series: reasons.map((r, i) => ({ key: "flush_" + r, label: r, color: "--s" + (i + 1), fill: true, optional: true })),
	},
];

// alone gives the points without neighbours, which no line can show.
function alone(plot, series) {
	const values = plot.data[series];
	const has = (i) => (values[i] ?? null) !== null;
	return [...values.keys()].filter((i) => has(i) && !has(i - 1) && !has(i + 1));
}

class Chart {
	#plan;
	#plot;
	#readouts = [];
	#shown = [];
	#columns = [[]]; // as they are: the plot has them stacked
	#box;
	#clock;

	constructor(plan) {
		this.#plan = plan;
		const legend = h("ul", { class: "legend" });
		plan.series.forEach((s, i) => {
			const value = h("b");
			const swatch = h("i", { "aria-hidden": "true" });
			swatch.style.setProperty("--color", `var(${s.color})`);
			const item = h("li", null, swatch, s.label + " ", value);
			this.#readouts.push({ item, value });
			this.#shown[i] = !s.optional;
			item.hidden = Boolean(s.optional);
			legend.append(item);
		});
		this.#clock = h("span", { class: "at" });
		this.#box = h("div", {
			class: "plot", tabindex: "0", role: "slider", "aria-label": plan.title + ", " + plan.unit,
			"aria-valuemin": "0", "aria-valuemax": String(points - 1), "aria-valuenow": String(points - 1), "aria-valuetext": "loading",
			onkeydown: (event) => this.#key(event),
			onblur: () => charts.forEach((c) => c.#point(-1)),
		});
		$("charts").append(
			h("figure", { class: "panel chart", id: "chart-" + plan.name },
				h("figcaption", null, h("h3", { text: plan.title }), h("span", { class: "unit", text: plan.unit }), this.#clock), legend, this.#box),
		);
		this.#plot = new uPlot(this.#options(), [[], ...plan.series.map(() => [])], this.#box);
		new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(this.#box);
	}

	#size() {
		return { width: Math.max(200, this.#box.clientWidth), height: 148 };
	}

	#options() {
		const plan = this.#plan;
		const axis = {
			stroke: () => style("--muted"),
			font: "11px system-ui, sans-serif",
			grid: { stroke: () => style("--grid"), width: 1 },
			ticks: { show: false },
		};
		return {
			...this.#size(),
			legend: { show: false },
			padding: [8, 16, 0, 0],
			cursor: {
				sync: { key: sync.key, setSeries: false, scales: ["x", null] },
				drag: { setScale: false, x: false, y: false },
				y: false,
				points: { size: 7, width: 2, fill: () => style("--panel"), show: !plan.stacked },
			},
			scales: {
				x: { time: true, range: (_, __, max) => [(max ?? points) - points + 1, max ?? points] },
				y: { range: (_, __, max) => [0, Math.max(plan.least, (max || 0) * 1.12)] },
			},
			axes: [
				{ ...axis, size: 24, gap: 6, space: 90, values: (_, splits) => splits.map((s) => f.time(new Date(s * 1000)).slice(0, 5)) },
				{ ...axis, size: 52, gap: 8, space: 34, values: (_, splits) => splits.map(plan.axis) },
			],
			series: [
				{},
				...plan.series.map((s) => ({
					label: s.label,
					stroke: () => style(s.color),
					width: s.width ?? (plan.stacked ? 1 : 1.5),
					dash: s.dash,
					spanGaps: false,
					points: { show: false, filter: alone, size: 4, width: 0, fill: () => style(s.color) },
					fill: s.fill ? () => style(s.color) + (plan.stacked ? "b0" : "22") : undefined,
				})),
			],
			bands: plan.stacked ? plan.series.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })) : undefined,
			hooks: { setCursor: [() => this.#read()] },
		};
	}

	draw(history) {
		const times = history.times;
		const raw = this.#plan.series.map((s) => history.get(s.key));
		this.#columns = [times, ...raw];
		this.#plan.series.forEach((s, i) => {
			if (!s.optional) return;
			this.#shown[i] = raw[i].some((v) => v > 0);
			show(this.#readouts[i].item, this.#shown[i]);
		});
		const plan = (i) => this.#plan.series[i];
		let columns = raw;
		if (this.#plan.stacked) {
			const sum = new Array(points).fill(0);
			columns = raw.map((values) => values.map((v, i) => (v === null ? null : (sum[i] += v))));
		} else {
			columns = raw.map((values, i) => (plan(i).optional ? values.map((v, at) => (v || values[at - 1] || values[at + 1] ? v : null)) : values));
		}
		this.#plot.setData([times, ...columns]);
		this.#read();
	}

	redraw() {
		this.#plot.redraw(false, true);
	}

	// read writes the values under the pointer into the legend, or the latest ones.
	#read() {
		const under = this.#plot?.cursor.idx;
		const pointed = under !== null && under !== undefined && this.#plot.cursor.left >= 0;
		const at = pointed ? under : points - 1;
		const seconds = this.#columns[0][at];
		if (seconds === undefined) return;
		const clock = f.time(new Date(seconds * 1000));
		text(this.#clock, pointed ? clock : "");
		const said = [];
		this.#plan.series.forEach((s, i) => {
			const value = this.#plan.read(this.#columns[i + 1][at]);
			text(this.#readouts[i].value, value);
			if (this.#shown[i]) said.push(s.label + " " + value);
		});
		this.#box.setAttribute("aria-valuenow", String(at));
		this.#box.setAttribute("aria-valuetext", clock + ": " + (said.join(", ") || "nothing"));
	}

	#key(event) {
		const step = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -60, PageUp: 60, Home: -points, End: points }[event.key];
		if (!step || !this.#columns[0].length) return;
		event.preventDefault();
		const from = this.#plot.cursor.left >= 0 ? (this.#plot.cursor.idx ?? points - 1) : points - 1;
		const to = Math.min(points - 1, Math.max(0, from + step));
		charts.forEach((c) => c.#point(to));
	}

	// point puts the pointer on a second, or away.
	#point(at) {
		if (at < 0 || !this.#columns[0].length) this.#plot.setCursor({ left: -10, top: -10 });
		else this.#plot.setCursor({ left: Math.max(0, this.#plot.valToPos(this.#columns[0][at], "x")), top: 10 });
	}
}

let charts = [];

export function make() {
	charts = plans.map((plan) => new Chart(plan));
	addEventListener("theme", () => charts.forEach((c) => c.redraw()));
}

export const draw = (history) => charts.forEach((c) => c.draw(history));
