package daemon

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
)

// signals are those that the process gets.
type signals struct {
	hup  <-chan os.Signal
	stop func() // waits for the goroutine that watches
}

// watchSignals gives a context that ends with the first SIGINT or SIGTERM. The
// second one ends the process at once, with status 1.
func watchSignals(parent context.Context, log hclog.Logger) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(parent)
	end := make(chan os.Signal, 2)
	hup := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(hup, syscall.SIGHUP)
	// Where nobody reads the log any more, writing it is an error, not the end.
	signal.Ignore(syscall.SIGPIPE)

	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case s := <-end:
				if n > 0 {
					log.Warn("second signal: exiting at once", "signal", s.String())
					os.Exit(exitFailed)
				}
				cancel()
				log.Info("signal received: draining", "signal", s.String())
			case <-quit:
				return
			}
		}
	}()
	return ctx, &signals{hup, func() {
		signal.Stop(end)
		signal.Ignore(syscall.SIGHUP) // one that comes now would end the process with a wrong status
		close(quit)
		<-done
		cancel()
	}}
}
