package daemon

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// terminal is what a command for people writes to. It may be none, but a file or a
// pipe.
type terminal struct {
	out      io.Writer
	file     *os.File // nil: it is none
	coloured bool
}

func newTerminal(out io.Writer) *terminal {
	t := &terminal{out: out}
	if f, is := out.(*os.File); is && term.IsTerminal(int(f.Fd())) {
		t.file = f
		t.coloured = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return t
}

// is tells whether it is a terminal.
func (t *terminal) is() bool { return t.file != nil }

// size is how many characters and lines it shows; 0: as many as there are.
func (t *terminal) size() (width, height int) {
	if t.file == nil {
		return 0, 0
	}
	width, height, err := term.GetSize(int(t.file.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// style is how a piece of text looks on a terminal.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "1;31"
	green  style = "32"
	yellow style = "1;33"
)

// piece is text in one style. It has nothing in it that is not printable.
type piece struct {
	style style
	text  string
}

// textLine is a line for a terminal.
type textLine []piece

// render writes the line, cut to width characters; 0: all of it.
func (l textLine) render(width int, coloured bool) string {
	var out strings.Builder
	if width > 0 && l.width() > width {
		l = l.cut(width)
	}
	for _, p := range l {
		if coloured && p.style != plain && p.text != "" {
			out.WriteString("\x1b[" + string(p.style) + "m" + p.text + "\x1b[0m")
		} else {
			out.WriteString(p.text)
		}
	}
	return strings.TrimRight(out.String(), " ")
}

func (l textLine) width() int {
	n := 0
	for _, p := range l {
		n += utf8.RuneCountInString(p.text)
	}
	return n
}

// cut gives the first characters of the line, and that there are others.
func (l textLine) cut(width int) textLine {
	var cut textLine
	for left := width - 1; ; l = l[1:] {
		if n := utf8.RuneCountInString(l[0].text); n <= left {
			cut, left = append(cut, l[0]), left-n
			continue
		}
		return append(cut, piece{l[0].style, string([]rune(l[0].text)[:left]) + "…"})
	}
}

// wrap breaks text into lines of at most width characters at its spaces; the last
// of at most lines is as long as it is.
func wrap(text string, width, lines int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(out) < lines-1 && width > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			out, line = append(out, line), word
		default:
			line += " " + word
		}
	}
	return append(out, line)
}
