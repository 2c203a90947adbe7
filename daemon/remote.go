package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
)

// remote is how commands find a running daemon.
type remote struct {
	URL   string `name:"url" placeholder:"URL" env:"INGESTD_ADMIN_URL" help:"The daemon's admin server, like http://127.0.0.1:7002. Otherwise the one that the configuration has in admin.listen."`
	Token string `placeholder:"TOKEN" env:"INGESTD_ADMIN_TOKEN" help:"Its admin.token. Command lines can be seen by every user of the machine: better put it into the environment. Without --url it is that of the configuration."`

	source `embed:""`
}

// client makes the client of the daemon that is meant.
func (r *remote) client(a *app) (*api.Client, error) {
	url, token := r.URL, r.Token
	if url == "" {
		admin, err := r.admin(a.plugins)
		if err != nil {
			return nil, err
		}
		if url, err = adminURL(admin.Listen); err != nil {
			return nil, wrong(err)
		}
		if token == "" { // it is for this daemon alone, and not for whatever --url names
			secret, _ := hclx.Get[engine.Secret](&admin, "token")
			token = string(secret)
		}
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	c, err := api.NewClient(url, token)
	if err != nil {
		return nil, wrong(err) // it does not repeat what may hold a secret
	}
	return c, nil
}

// ask calls f with the client of the daemon that is meant. SIGINT and SIGTERM end ctx.
func (r *remote) ask(a *app, f func(ctx context.Context, client *api.Client) error) error {
	client, err := r.client(a)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, signals := watchSignals(context.Background(), hclog.NewNullLogger())
	defer signals.stop()
	return f(ctx, client)
}

// admin reads the settings of the admin server.
func (r *remote) admin(p *plugins) (adminConfig, error) {
	cfg, err := r.settings(p, "admin.listen")
	if err != nil {
		return adminConfig{}, err
	}
	return cfg.Admin, nil
}

// settings reads the configuration for commands that need little of it, which must be
// right. Mistakes elsewhere do not matter, and are kept: a daemon may run with what
// the file was before, and with variables that only its service has.
func (s *source) settings(p *plugins, needed string) (*config, error) {
	in, err := s.read()
	if err != nil {
		return nil, err
	}
	l := &loader{
		plugins: p, Source: hclx.Parse(in, p.vocabulary()), cfg: &config{core: defaultCore()}, blocks: map[string]*hclx.Block{},
	}
	if l.Parsed() {
		l.decode()
	}
	if m := l.Mistakes(); m != nil {
		l.cfg.mistakes = wrong(m)
	}
	if !l.Parsed() || l.top.Failed(needed) {
		return nil, l.cfg.mistakes
	}
	l.cfg.origins = l.Origins()
	return l.cfg, nil
}

// adminURL is where a server that listens there is reached from this machine.
func adminURL(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	switch {
	case listen == "":
		return "", errors.New(`admin.listen is "": this daemon cannot be asked`)
	case err != nil:
		return "", fmt.Errorf("admin.listen %q is no address with a port: --url says where the daemon is", listen)
	case port == "0":
		return "", errors.New("admin.listen leaves the port open: --url says which one it is, as in the daemon's log")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// remoteError says what can be done about an error of a daemon that was asked. Its
// exit status is that of something outside.
func remoteError(err error) error {
	var said *api.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case !errors.As(err, &said):
		return outside(fmt.Errorf("%s\n%s", oneLine(err.Error()), remoteHint(0)))
	}
	if hint := remoteHint(said.Status); hint != "" {
		return outside(fmt.Errorf("%s\n%s", printableLines(said.Text), hint))
	}
	return errors.New(printableLines(said.Text))
}

// remoteHint is what to do where a daemon cannot be asked; empty: it answered.
// Status 0: there was no answer.
func remoteHint(status int) string {
	switch status {
	case 0:
		return "Is it running? Its log says where \"admin\" is; admin.listen sets it, and --url names another place."
	case http.StatusUnauthorized:
		return "It wants its admin.token: --token, or $INGESTD_ADMIN_TOKEN."
	case http.StatusForbidden:
		return "Set admin.token in its configuration, and give it with --token or $INGESTD_ADMIN_TOKEN."
	}
	return ""
}

// printableLines makes a text of several lines safe for a terminal.
func printableLines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		body := strings.TrimRight(line, "\r\n")
		out.WriteString(printable(strings.ReplaceAll(body, "\t", "    "), maxLine))
		if len(body) < len(line) {
			out.WriteByte('\n')
		}
	}
	return strings.TrimRight(out.String(), "\n")
}

// oneLine makes a text safe for a terminal, on one line.
func oneLine(text string) string { return printable(strings.Join(strings.Fields(text), " "), maxLine) }

// maxLine is how many characters of a line are shown.
const maxLine = 4096
