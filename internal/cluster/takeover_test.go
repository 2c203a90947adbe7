package cluster

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/long"
)

// The partitions of a writer that is killed, and of one that is halted, are with
// the other one soon, which stores what is in them; and the halted one, when it
// goes on, does no harm. One that drains hands its partitions over.
func TestTakeover(t *testing.T) {
	p := chained(t)
	p.begin(drill.LoadConfig{Named: 8, IDs: 1000, Rate: long.Scale(1500, 6000)})
	p.startEnders(2)
	for range long.Scale(1, 10) {
		killed, halted := p.writers[0], p.writers[1]
		lost := p.shared()[killed.name]
		p.works()
		killed.kill()
		p.fault("kill -9 of %s", killed.name)
		p.takeover(lost, halted.name)
		killed.start()

		lost = p.shared()[halted.name]
		p.works()
		halted.halt()
		p.fault("halt of %s", halted.name)
		p.takeover(lost, killed.name)
		halted.cont()
		p.works()
		p.shared()
		p.fenced(halted)

		lost = p.shared()[killed.name]
		p.works()
		if err := killed.run.Term(); err != nil {
			t.Fatal(err)
		}
		p.fault("drain of %s", killed.name)
		p.takeover(lost, halted.name)
		killed.stop()
		killed.start()
		p.shared()
	}
	p.end(1000)
}

// takeover waits until something is stored of each of these partitions by their new
// owner, and logs how long that takes from now on.
func (p *plant) takeover(partitions []int, owner string) {
	p.t.Helper()
	begun := time.Now()
	owned, stored := make(map[int]time.Duration), make(map[int]time.Duration)
	before := make(map[int]int64) // messages of a partition, when its owner was seen first
	p.eventually("rows of every partition by "+owner, func() error {
		counts, err := p.counts()
		if err != nil {
			return err
		}
		for _, n := range partitions {
			switch count, seen := before[n]; {
			case stored[n] > 0:
			case seen && counts[n] > count:
				stored[n] = time.Since(begun)
			case !seen:
				x, err := p.log.partition(p.t.Context(), n)
				if err != nil {
					return err
				}
				if x.owner() == owner {
					before[n], owned[n] = counts[n], time.Since(begun)
				}
			}
		}
		if len(stored) < len(partitions) {
			return fmt.Errorf("%d of %d are taken, of %d something is stored", len(owned), len(partitions), len(stored))
		}
		return nil
	})
	p.t.Logf("%d partitions: taken after %s; first rows stored after %s", len(partitions), spread(owned), spread(stored))
}

func spread(times map[int]time.Duration) string {
	all := slices.Sorted(maps.Values(times))
	return fmt.Sprintf("%v to %v", all[0].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
}

// counts are how many messages are stored of each partition.
func (p *plant) counts() (map[int]int64, error) {
	rows, err := p.db.QueryContext(p.t.Context(), "SELECT id, messages FROM streams")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	counts := make(map[int]int64)
	for rows.Next() {
		var id string
		var n int64
		if err := rows.Scan(&id, &n); err != nil {
			return nil, err
		}
		counts[jet.Partition(id, p.log.partitions)] += n
	}
	return counts, rows.Err()
}
