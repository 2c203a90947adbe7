package cluster

import (
	"os"
	"testing"

	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/natstest"
)

func TestMain(m *testing.M) {
	os.Exit(natstest.Main(func() int { return childtest.Main(m) }))
}
