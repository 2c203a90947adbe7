package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// The exit statuses.
const (
	exitFine    = 0
	exitFailed  = 1 // it failed while running
	exitWrong   = 2 // the command line or the configuration is wrong
	exitOutside = 3 // something outside is missing: a port, a database
)

// exitError is an error with the exit status that it means.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// wrong and outside give err its exit status.
func wrong(err error) error   { return &exitError{exitWrong, err} }
func outside(err error) error { return &exitError{exitOutside, err} }

func statusOf(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &e):
		return e.status
	}
	return exitFailed
}

// errLogged stands for an error that the log has told already.
var errLogged = errors.New("logged")

// Main runs the program with these arguments, without the program's name, and
// returns its exit status. It takes the process's signals, and writes to its
// standard output and standard error. Options add to what the configuration can
// name.
func Main(args []string, opts ...Option) int {
	return mainWith(args, os.Stdout, os.Stderr, opts...)
}

func mainWith(args []string, stdout, stderr io.Writer, opts ...Option) int {
	err := dispatch(args, stdout, stderr, opts...)
	var mistakes *hclx.Mistakes
	switch {
	case err == nil, errors.Is(err, errLogged):
	case errors.As(err, &mistakes):
		fmt.Fprintf(stderr, "%v\n%s; nothing was started.\n", mistakes, count(mistakes.Count, "mistake"))
	default:
		fmt.Fprintf(stderr, "ingestd: %v\n", err)
	}
	return statusOf(err)
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// dispatch parses the command line and runs its command.
func dispatch(args []string, stdout, stderr io.Writer, opts ...Option) error {
	plugins, err := newPlugins(opts)
	if err != nil {
		return wrong(err)
	}
	var helped bool
	var commands cli
	parser, err := kong.New(&commands,
		kong.Name("ingestd"),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoAppDescFormat: true, WrapUpperBound: 90}),
		kong.Vars{"sinks": plugins.sinkNames(), "transports": plugins.transportNames(), "version": currentVersion().String()},
	)
	if err != nil {
		return err
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	parsed, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		hint := "ingestd --help"
		if err, is := errors.AsType[*kong.ParseError](err); is && err.Context != nil && err.Context.Selected() != nil {
			path := strings.Fields(err.Context.Selected().FullPath())
			if strings.HasPrefix(args[0], "-") || slices.Contains(path, args[0]) { // not where it was taken for an argument of run
				hint = strings.Join(path, " ") + " --help"
			}
		}
		return wrong(fmt.Errorf("%w\nRun %q to see what there is", err, hint))
	}
	return parsed.Run(&app{plugins: plugins, stdout: stdout, stderr: stderr})
}
