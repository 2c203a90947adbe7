package metrics

// Names are those of all metrics.
func Names() (names []string) {
	for _, m := range defined {
		names = append(names, m.name)
	}
	return names
}
