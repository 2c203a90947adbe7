package engine

import (
	"fmt"
	"strconv"
)

// Size is a number of bytes. In configuration files it is written with a unit:
// "1MiB".
type Size int64

// The units of Size.
const (
	Byte Size = 1
	KiB       = 1024 * Byte
	MiB       = 1024 * KiB
	GiB       = 1024 * MiB
)

// String writes s in the largest unit that leaves no fraction.
func (s Size) String() string {
	for _, u := range []struct {
		size Size
		name string
	}{{GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// Secret is a string that never shows itself in a log, an error or a page.
// Convert it to string to use it.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "********"
}

// Format hides the secret from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// OptionError says what is wrong with one setting of a configuration struct.
type OptionError struct {
	Option  string // the setting as config.hcl names it: "batch_size"
	Problem string // what is wrong and what would do: "must be at least 1, not 0"
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Problem }
