package transport

import "time"

// Times are taken from the years that every sink can hold: DATETIME begins with
// 1000 and ends with 9999.
var (
	firstMoment = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)
	endOfTime   = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
)

// parseMoment reads a time: a JSON number of Unix time, or RFC 3339. The number's
// unit is told by its size: up to 11 digits before the point are seconds, up to
// 14 milliseconds, up to 17 microseconds, up to 19 nanoseconds. What is finer
// than a nanosecond is cut off. problem is empty if t is good.
func parseMoment(text []byte) (t time.Time, problem string) {
	s := scanner{b: text}
	if end := s.number(0); end == len(text) {
		t, problem = parseUnix(text)
	} else {
		t, problem = parseRFC3339(text)
	}
	if problem == "" && (t.Before(firstMoment) || !t.Before(endOfTime)) {
		return time.Time{}, "time must be in the years 1000 to 9999"
	}
	return t, problem
}

// parseUnix reads a number that has been scanned. It is exact: no floating point.
func parseUnix(text []byte) (time.Time, string) {
	const tooLarge = "time is too large for Unix time in nanoseconds"
	// The digits without leading zeros, and how many of them stand before the
	// point. Digits that cannot matter any more are dropped.
	var digits [40]byte
	n, point, exp, expNeg := 0, 0, 0, false
	neg, fraction := false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '-':
			neg = true
		case c == '.':
			fraction = true
		case c == 'e' || c == 'E':
			for i++; i < len(text); i++ {
				if c := text[i]; c == '-' {
					expNeg = true
				} else if c != '+' && exp < 1_000_000_000 {
					exp = exp*10 + int(c-'0')
				}
			}
		case c == '0' && n == 0:
			if fraction {
				point--
			}
		default:
			if n < len(digits) {
				digits[n] = c - '0'
				n++
			}
			if !fraction {
				point++
			}
		}
	}
	if n == 0 {
		return time.Unix(0, 0).UTC(), ""
	}
	if expNeg {
		exp = -exp
	}
	point += exp
	if point > 19 {
		return time.Time{}, tooLarge
	}
	// scale is how many digits make the unit's second.
	scale := 9
	switch {
	case point <= 11:
		scale = 0
	case point <= 14:
		scale = 3
	case point <= 17:
		scale = 6
	}
	var sec, nsec int64
	whole := point - scale // the digits of whole seconds
	for i := range whole {
		sec *= 10
		if i < n {
			sec += int64(digits[i])
		}
	}
	for i := whole; i < whole+9; i++ {
		nsec *= 10
		if i >= 0 && i < n {
			nsec += int64(digits[i])
		}
	}
	if neg {
		sec, nsec = -sec, -nsec
	}
	return time.Unix(sec, nsec).UTC(), ""
}

// parseRFC3339 is strict where time.Parse is not: two digits each, a point
// before the fraction, and an offset that exists. A space may stand for the T.
func parseRFC3339(b []byte) (time.Time, string) {
	const wrong = "time must be Unix time (seconds, ms, µs or ns) or RFC 3339, like 2024-05-06T21:33:20Z"
	if len(b) < len("2006-01-02T15:04:05Z") ||
		b[4] != '-' || b[7] != '-' || b[13] != ':' || b[16] != ':' ||
		b[10] != 'T' && b[10] != 't' && b[10] != ' ' {
		return time.Time{}, wrong
	}
	year, ok0 := fixed(b[0:4])
	month, ok1 := fixed(b[5:7])
	day, ok2 := fixed(b[8:10])
	hour, ok3 := fixed(b[11:13])
	minute, ok4 := fixed(b[14:16])
	second, ok5 := fixed(b[17:19])
	if !(ok0 && ok1 && ok2 && ok3 && ok4 && ok5) || month < 1 || month > 12 || day < 1 ||
		day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, wrong
	}
	nsec, rest := 0, b[19:]
	if rest[0] == '.' {
		i, unit := 1, 100_000_000
		for ; i < len(rest) && isDigit(rest[i]); i++ {
			nsec += int(rest[i]-'0') * unit
			unit /= 10
		}
		if i == 1 {
			return time.Time{}, wrong
		}
		rest = rest[i:]
	}
	offset := 0
	switch {
	case len(rest) == 1 && rest[0]|0x20 == 'z':
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':':
		h, okH := fixed(rest[1:3])
		m, okM := fixed(rest[4:6])
		if !okH || !okM || h > 23 || m > 59 {
			return time.Time{}, wrong
		}
		offset = h*60 + m
		if rest[0] == '-' {
			offset = -offset
		}
	default:
		return time.Time{}, wrong
	}
	return time.Date(year, time.Month(month), day, hour, minute-offset, second, nsec, time.UTC), ""
}

func fixed(b []byte) (n int, ok bool) {
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
