package daemon

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// configEnv names the variable that names the configuration file.
const configEnv = "INGESTD_CONFIG"

// flagVariables are those that stand for a flag of the command line. They are no
// settings.
var flagVariables = []string{configEnv, "INGESTD_ADMIN_URL", "INGESTD_ADMIN_TOKEN"}

// serviceLink is a variable that Kubernetes, or Docker for a link, sets in every
// container beside a service of the name "ingestd". It is nobody's mistake.
var serviceLink = regexp.MustCompile(`^INGESTD_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|NAME|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)=`)

// environment gives the variables of the process that are settings, or are meant to
// be.
func environment() []string { return settingsAmong(os.Environ()) }

func settingsAmong(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(text string) bool {
		name, _, _ := strings.Cut(text, "=")
		return !strings.HasPrefix(name, hclx.EnvPrefix) || slices.Contains(flagVariables, name) || serviceLink.MatchString(text)
	})
}
