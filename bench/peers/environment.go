package main

import (
	"debug/buildinfo"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/report"
)

// environment is what all cases share: the programs and the lab.
type environment struct {
	options
	*lab.Lab
}

func newEnvironment(o options) (*environment, error) {
	for _, file := range []*string{&o.ingestd, &o.bento, &o.configs} {
		path, err := filepath.Abs(*file)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return nil, err
		}
		*file = path
	}
	l, err := lab.New()
	return &environment{options: o, Lab: l}, err
}

// freeAddress is one where nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// describe says what the machine and the programs are.
func (e *environment) describe(m report.Machine) string {
	return fmt.Sprintf("%d cores of %s, %.0f GB of memory, Linux %s, %s, MariaDB %s; ingestd at commit `%s` with %s; Bento with %s",
		m.Cores, m.CPU, float64(m.Memory)/1e9, m.Kernel, m.Go, m.MariaDB,
		m.Commit, versions(e.ingestd, "modernc.org/sqlite"),
		versions(e.bento, "github.com/warpstreamlabs/bento", "modernc.org/sqlite"))
}

// versions are those of modules in a program.
func versions(program string, modules ...string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err.Error()
	}
	var found []string
	for _, m := range info.Deps {
		if slices.Contains(modules, m.Path) {
			found = append(found, m.Path+" "+m.Version)
		}
	}
	return strings.Join(found, ", ")
}
