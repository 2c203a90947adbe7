package hclx

import (
	"reflect"
	"testing"
)

// Values are found by their paths and by those of the blocks around them, the
// environment's first and each in its order, also after they were moved.
func TestIndex(t *testing.T) {
	s := Parse(Input{
		Env:  []string{"INGESTD_A__B=1", "INGESTD_A__B_C=2", "INGESTD_A__D__B=3", "INGESTD_B=4"},
		Sets: []string{"a.b-c=5", "a.d.b=6", "a.=7", "b=8"},
	}, Vocabulary{})
	values := func(path string, below bool) (all []string) {
		for g := range s.index.find(path, below) {
			all = append(all, g.value)
		}
		return all
	}
	check := func(path string, below bool, want ...string) {
		t.Helper()
		if got := values(path, below); !reflect.DeepEqual(got, want) {
			t.Errorf("%q, below %v: %q, not %q", path, below, got, want)
		}
	}
	check("b", false, "4", "8")
	check("a.b-c", false, "2", "5")
	check("a.b_c", false, "2")
	check("a.d", true, "3", "6")
	check("a", true, "1", "2", "3", "5", "6", "7")
	check("a.", false, "7")
	check("a", false)

	s.Move(s.Under("a.d")[0], "a.B-C")
	check("a.d", true, "6")
	check("a.b-c", false, "2", "3", "5")
	check("a", true, "1", "2", "3", "5", "6", "7")
	if g, ok := s.Take("a.b-c"); !ok || g.Value != "5" {
		t.Errorf("taken is %q", g.Value)
	}
}
