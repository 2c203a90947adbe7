package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// healthTimeout is how long the daemon may take to answer.
const healthTimeout = 5 * time.Second

// healthcheckCommand asks the admin server, where a container has no other program
// that could.
type healthcheckCommand struct {
	URL    string `name:"url" placeholder:"URL" env:"INGESTD_ADMIN_URL" help:"The daemon's admin server, like http://127.0.0.1:7002. Otherwise the one that the configuration has in admin.listen."`
	Ready  bool   `help:"Ask whether it would take messages, /readyz, instead of whether it answers, /healthz."`
	source `embed:""`
}

// Help implements kong's HelpProvider.
func (*healthcheckCommand) Help() string {
	return "Prints the answer. Exit status 0: it is well; 1: it is not, or does not answer within 5 seconds."
}

func (c *healthcheckCommand) Run(a *app) error {
	url := c.URL
	if url == "" {
		admin, err := (&remote{source: c.source}).admin(a.plugins)
		if err != nil {
			return err
		}
		if url, err = adminURL(admin.Listen); err != nil {
			return wrong(err)
		}
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	status, answer, err := ask(strings.TrimRight(url, "/") + path)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	fmt.Fprintln(a.stdout, printableLines(strings.TrimSpace(answer)))
	if status != http.StatusOK {
		return fmt.Errorf("the daemon answers %d to %s", status, path)
	}
	return nil
}

// ask gets url, without a proxy and without following anything.
func ask(url string) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", errors.New(hclx.Redact(err.Error(), url))
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return response.StatusCode, string(body), err
}
