package browser

import (
	"flag"
	"os"
	"testing"

	"github.com/ingestd/ingestd/internal/child/childtest"
)

var (
	updateImages = flag.Bool("update-images", false, "write the images of the README into docs/images")
	history      = flag.Duration("history", 0, "how much the charts of these images have to show")
	patience     = flag.Duration("patience", childtest.Patience, "how long to wait for what is sure to come")
)

func TestMain(m *testing.M) {
	flag.Parse()
	status := childtest.Main(m)
	chromium.end()
	os.Exit(status)
}
