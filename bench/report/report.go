package report

// Report is all that one run of the benchmarks has found.
type Report struct {
	Machine Machine            `json:"machine"`
	Rounds  int                `json:"rounds"`
	Seconds float64            `json:"seconds"` // about how long each run took
	Quick   bool               `json:"quick"`
	NATS    bool               `json:"nats,omitempty"` // the layout with NATS was measured, and nothing else
	Rows    []Row              `json:"rows"`
	Stages  map[string]float64 `json:"stages,omitempty"` // Go benchmarks, by name and unit
	Targets []Target           `json:"targets"`
	Hops    []Hop              `json:"hops,omitempty"`
}

// Machine says where it was measured, and what.
type Machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Memory  int64  `json:"memory_bytes"`
	Kernel  string `json:"kernel"`
	Go      string `json:"go"`
	MariaDB string `json:"mariadb,omitempty"`
	SQLite  string `json:"sqlite,omitempty"`
	NATS    string `json:"nats,omitempty"` // the version of nats-server, where that was measured
	Commit  string `json:"commit"`
	Date    string `json:"date"`
}

// row gives a case, or nil where it was not run.
func (r *Report) row(block, name string) *Row {
	for i := range r.Rows {
		if r.Rows[i].Block == block && r.Rows[i].Name == name {
			return &r.Rows[i]
		}
	}
	return nil
}
