package daemon

import (
	"context"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// notifier tells the service manager how the daemon is, by the socket that
// $NOTIFY_SOCKET names. Without one it does nothing.
type notifier struct {
	log    hclog.Logger
	failed sync.Once
}

// tell sends a state. One that cannot be sent changes nothing for the daemon, so it
// is logged, the first time.
func (n *notifier) tell(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		n.failed.Do(func() { n.log.Warn("service manager cannot be told", "error", err) })
	}
}

// reloading tells that a reload is under way, and gives what tells that it is over.
func (n *notifier) reloading() (over func()) {
	n.tell(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec())
	return func() { n.tell(systemd.SdNotifyReady) }
}

// notify tells the service manager that the daemon is ready, when its drain begins,
// and meanwhile that it is alive, for as long as it is. The function that it returns
// ends that, and waits for its goroutine.
func (d *daemon) notify(ctx context.Context, p *parts) (end func()) {
	n := notifier{log: d.log.Logger}
	n.tell(systemd.SdNotifyReady)
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		d.log.Warn("watchdog is off", "error", err)
	}
	over, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() {
		select {
		case <-ctx.Done():
			n.tell(systemd.SdNotifyStopping)
		case <-over.Done():
		}
	})
	if every > 0 {
		d.log.Debug("watchdog is on", "timeout", every)
		work.Go(func() { n.watch(over, every, p, d.cfg.secrets()) })
	}
	return func() {
		cancel()
		work.Wait()
	}
}

// watch feeds the watchdog as often as its timeout asks for, each time after the
// router and the writers have answered. While they do not, nothing is sent: then the
// service manager ends the process, which leaves its stacks in the log, and starts
// another one. A database that fails, a full disk, senders that must wait are no
// reason for that, as another process would have the same ones.
func (n *notifier) watch(ctx context.Context, timeout time.Duration, p *parts, secrets []string) {
	ticker := time.NewTicker(timeout / 4)
	defer ticker.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, timeout/2)
		err := p.alive(asking)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			n.tell(systemd.SdNotifyWatchdog)
		default:
			n.log.Error("watchdog is not fed: a part does not answer", "error", hclx.Redact(err.Error(), secrets...))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// alive returns nil once the router and the writers have shown that they go on.
func (p *parts) alive(ctx context.Context) error {
	if p.spool != nil {
		if err := p.spool.Alive(ctx); err != nil {
			return err
		}
	}
	return p.engine.Alive(ctx)
}
