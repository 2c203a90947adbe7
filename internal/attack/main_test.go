package attack

import (
	"os"
	"testing"

	"github.com/ingestd/ingestd/internal/child/childtest"
)

// TestMain runs the tests or, in the process of an attacker, the attack.
func TestMain(m *testing.M) {
	if order := os.Getenv(orderVariable); order != "" {
		os.Exit(runAttack(order))
	}
	os.Exit(childtest.Main(m))
}
