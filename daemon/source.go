package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// source is where the configuration comes from, beside the environment.
type source struct {
	Config string   `short:"c" placeholder:"FILE" env:"INGESTD_CONFIG" help:"Configuration file. Otherwise ./config.hcl where it exists, otherwise the defaults"`
	Set    []string `placeholder:"PATH=VALUE" sep:"none" help:"Override one value, like router.batch_size=50 or sink=stdout. Repeatable."`
}

// defaultFile is read where no other is named, neither by --config nor by the
// environment.
const defaultFile = "config.hcl"

// read finds the configuration. The environment is that of the process, which is
// what it was at the start.
func (s *source) read() (in hclx.Input, err error) {
	in = hclx.Input{Name: s.Config, Env: environment(), Sets: s.Set}
	if in.Name == "" {
		in.Name = defaultFile
	}
	in.Text, err = os.ReadFile(in.Name)
	if s.Config == "" && errors.Is(err, fs.ErrNotExist) {
		in.Name = "the defaults"
		return in, nil
	}
	if err != nil {
		from := ""
		if s.Config != "" && s.Config == os.Getenv(configEnv) {
			from = " that $" + configEnv + " names"
		}
		return in, wrong(fmt.Errorf("read the configuration%s: %w", from, err))
	}
	return in, nil
}

// load reads and validates the configuration.
func (s *source) load(p *plugins) (cfg *config, name string, err error) {
	return s.loadBy(p.load)
}

func (s *source) loadBy(load func(hclx.Input) (*config, error)) (cfg *config, name string, err error) {
	in, err := s.read()
	if err != nil {
		return nil, "", err
	}
	cfg, err = load(in)
	if err != nil {
		return nil, "", wrong(err)
	}
	return cfg, in.Name, nil
}
