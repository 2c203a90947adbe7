package daemon

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable makes text safe for a terminal: what is no printable character is
// written as in a Go string. It is cut after most characters.
func printable(text string, most int) string {
	var out strings.Builder
	for n, i := 0, 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		piece := text[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, text[i])
		case !unicode.IsPrint(r):
			piece = strings.Trim(strconv.QuoteRune(r), "'")
		}
		if n += utf8.RuneCountInString(piece); n > most {
			return out.String() + "…"
		}
		out.WriteString(piece)
		i += size
	}
	return out.String()
}
