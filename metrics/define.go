package metrics

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestd/ingestd/engine"
)

// The types of metrics.
const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// A metric is one family. All are variables of this package, so that the table in
// docs/operations.md can be made of them.
type metric struct {
	kind, name, help string

	// labels are the names of its labels. The first may be one that a collector
	// has as a whole: transport or sink.
	labels []string
}

// defined are all metrics, in the order of their definition.
var defined []*metric

func define(kind, name, help string, labels ...string) *metric {
	m := &metric{kind, name, help, labels}
	defined = append(defined, m)
	return m
}

// A collector shows some metrics.
type collector struct {
	metrics []*metric
	whole   prometheus.Labels // what it has as a whole
	descs   map[*metric]*prometheus.Desc
	collect func(c *collection)
}

var _ prometheus.Collector = (*collector)(nil)

func newCollector(whole prometheus.Labels, collect func(c *collection), metrics ...[]*metric) *collector {
	c := &collector{
		metrics: slices.Concat(metrics...), whole: whole, descs: make(map[*metric]*prometheus.Desc), collect: collect,
	}
	for _, m := range c.metrics {
		labels := slices.DeleteFunc(slices.Clone(m.labels), func(name string) bool { _, ok := whole[name]; return ok })
		c.descs[m] = prometheus.NewDesc(m.name, m.help, labels, whole)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		to <- c.descs[m]
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) { c.collect(&collection{c, to}) }

// A collection is one time that a collector is asked.
type collection struct {
	*collector
	to chan<- prometheus.Metric
}

func number[N int | int64 | uint64 | float64](c *collection, m *metric, value N, labels ...string) {
	kind := prometheus.GaugeValue
	if m.kind == counter {
		kind = prometheus.CounterValue
	}
	c.to <- prometheus.MustNewConstMetric(c.descs[m], kind, float64(value), labels...)
}

// flag shows 1 where something is so.
func (c *collection) flag(m *metric, is bool) {
	value := 0
	if is {
		value = 1
	}
	number(c, m, value)
}

// by shows a value for each reason.
func (c *collection) by(m *metric, values map[string]uint64) {
	for _, reason := range slices.Sorted(maps.Keys(values)) {
		number(c, m, values[reason], reason)
	}
}

func (c *collection) histogram(m *metric, h engine.Histogram) {
	buckets, sum := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, bound := range h.Bounds {
		sum += h.Counts[i]
		buckets[bound] = sum
	}
	c.to <- prometheus.MustNewConstHistogram(c.descs[m], h.Count(), h.Sum, buckets)
}
