// The last 15 minutes of each series, a value a second.

export const points = 900;

export class History {
	series = {};
	end = 0; // of the last value, Unix seconds

	get times() {
		return Array.from({ length: points }, (_, i) => this.end - points + 1 + i);
	}

	// fill takes the answer of /history.
	fill(answer) {
		this.end = Math.round(Date.parse(answer.end) / 1000);
		this.series = {};
		for (const [name, values] of Object.entries(answer.series)) {
			this.series[name] = new Array(points).fill(null).concat(values).slice(-points);
		}
	}

	// push takes one value of each series. Seconds that nobody told of are gaps.
	push(now, point) {
		const at = Date.parse(now) / 1000;
		let steps = this.end ? Math.round(at - this.end) : 1;
		if (steps < 0 || steps > points) steps = points; // a clock was set
		this.end = this.end && steps < points ? this.end + steps : Math.round(at);
		for (const name of new Set([...Object.keys(this.series), ...Object.keys(point)])) {
			const values = (this.series[name] ??= new Array(points).fill(null));
			for (let i = 1; i < steps; i++) values.push(null);
			if (steps === 0) values.pop();
			values.push(point[name] ?? null);
			values.splice(0, values.length - points);
		}
	}

	get(name) {
		return this.series[name] ?? new Array(points).fill(null);
	}
}
