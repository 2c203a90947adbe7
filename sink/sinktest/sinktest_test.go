package sinktest

import (
	"strings"
	"testing"
)

// The kit finds nothing wrong with a sink that keeps the contract.
func TestReference(t *testing.T) {
	Run(t, func(*testing.T) Target { return newMemory("").target() })
}

// Each of these faults is found, by the rule that it breaks.
func TestFaults(t *testing.T) {
	for fault, rule := range map[string]string{
		"loses the last":             "durable",
		"close loses":                "durable",
		"close fails":                "durable",
		"order":                      "order",
		"cuts data":                  "large",
		"rewrites data":              "content",
		"short codes":                "content",
		"no time":                    "content",
		"ids without case":           "ids-bytewise",
		"trims":                      "ids-bytewise",
		"loses on error":             "nothing-to-write",
		"transient refusal":          "refusal",
		"wrong reject":               "refusal",
		"wrong batch":                "conflict",
		"one at a time":              "concurrent",
		"ignores ctx":                "context",
		"changes the batch":          "changes-nothing",
		"keeps memory":               "keeps-no-memory",
		"stores twice":               "written-again",
		"no duplicates":              "written-again",
		"fails on duplicates":        "some-are-new",
		"swallows conflicts":         "conflict",
		"overwrites":                 "conflict-in-one-write",
		"conflict is only permanent": "conflict",
		"key without client":         "client-is-part-of-the-key",
		"last of any client":         "last-seq",
		"last of the engine's":       "last-seq",
		"rows of the batch":          "rows",
		"short results":              "same-key-twice",
		"last is latest":             "stream-row",
		"no ends":                    "end",
		"no final":                   "end",
		"ends need messages":         "end",
		"end moves":                  "end-again",
		"disconnect wins":            "end-again",
		"never opens again":          "goes-on-after-its-end",
		"ended when written":         "ended",
		"letters open":               "letter-after-the-end",
		"replay opens nothing":       "replay",
		"reads all":                  "reads-newest",
		"reads oldest first":         "reads-newest",
		"reads without case":         "reads-one-stream",
		"reads no rows of streams":   "reads-newest",
		"reads no unknown stream":    "reads-one-stream",
		"reads without data":         "reads-newest",
		"reads without bounds":       "reads-bounded",
		"reads after close":          "reads-until-close",
		"reads without ctx":          "reads-until-close",
	} {
		t.Run(strings.ReplaceAll(fault, " ", "-"), func(t *testing.T) {
			t.Parallel()
			if err := find(t, rule).run(newMemory(fault).target()); err == nil {
				t.Errorf("the rule %s does not find it", rule)
			} else {
				t.Log(err)
			}
		})
	}
}

// A sink that says yes to everything and stores nothing breaks every rule, but for
// those that ask for nothing to be stored.
func TestEveryRuleIsBroken(t *testing.T) {
	for _, r := range rules {
		if r.name == "nothing-to-write" || r.name == "changes-nothing" {
			continue
		}
		broken := &broken{newMemory("")}
		target := broken.target()
		target.Sink = broken
		if err := r.run(target); err == nil {
			t.Errorf("the rule %s is kept by a sink that stores nothing", r.name)
		}
	}
}

func find(t *testing.T, name string) *rule {
	t.Helper()
	for k := range rules {
		if rules[k].name == name {
			return &rules[k]
		}
	}
	t.Fatalf("there is no rule %s", name)
	return nil
}
