package chaos

import (
	"os"
	"testing"

	"github.com/ingestd/ingestd/internal/child/childtest"
)

func TestMain(m *testing.M) { os.Exit(childtest.Main(m)) }
