package deadletters

import (
	"encoding/json"
	"strings"
)

// Filter selects letters: those that are all that it says. The zero value selects
// every one.
type Filter struct {
	Numbers []int64 // one of these; nil: any
	ID      string  // of this stream; empty: of any
	Client  string  // of this client; empty: of any
	Code    string  // refused with this error code; empty: with any
	Sink    string  // refused by this sink; empty: by any
	Limit   int     // so many at the most, the first ones; 0: all

	After int64 // only those of a greater number; 0: all

	upto   int64 // numbers up to this; 0: no bound
	marked bool  // only those to replay
}

// where is the condition of a statement, with its arguments.
func (f Filter) where() (condition string, args []any) {
	conditions := []string{"TRUE"}
	add := func(is bool, condition string, arg any) {
		if is {
			conditions = append(conditions, condition)
			args = append(args, arg)
		}
	}
	if f.Numbers != nil {
		list, _ := json.Marshal(f.Numbers) // numbers never fail
		add(true, "number IN (SELECT value FROM json_each(?))", string(list))
	}
	add(f.ID != "", "id = ?", f.ID)
	add(f.Client != "", "client = ?", f.Client)
	add(f.Code != "", "error_code = ?", f.Code)
	add(f.Sink != "", "sink = ?", f.Sink)
	add(f.After > 0, "number > ?", f.After)
	add(f.upto > 0, "number <= ?", f.upto)
	if f.marked {
		conditions = append(conditions, "replay IS NOT NULL")
	}
	return strings.Join(conditions, " AND "), args
}
