package report

// Report is all that one run of the benchmarks has found.
type Report struct {
	Machine Machine            `json:"machine"`
	Rounds  int                `json:"rounds"`
	Seconds float64            `json:"seconds"` // about how long each run took
	Quick   bool               `json:"quick"`
	Rows    []Row              `json:"rows"`
	Stages  map[string]float64 `json:"stages,omitempty"` // Go benchmarks, by name and unit
	Targets []Target           `json:"targets"`
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
