package transport

import (
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends what the JSON string content raw stands for; raw has been
// scanned, so its escapes are well-formed. It tells whether every surrogate had
// its partner. A lone one is appended as the three bytes that UTF-8 would have
// for it, so that different ones stay different.
func unescape(b []byte, raw []byte) (_ []byte, paired bool) {
	paired = true
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			b = append(b, raw[i])
			i++
			continue
		}
		c := raw[i+1]
		i += 2
		switch c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := unhex4(raw[i:])
			i += 4
			if !utf16.IsSurrogate(r) {
				b = utf8.AppendRune(b, r)
				break
			}
			if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				if full := utf16.DecodeRune(r, unhex4(raw[i+2:])); full != utf8.RuneError {
					b = utf8.AppendRune(b, full)
					i += 6
					break
				}
			}
			paired = false
			b = append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
		default:
			b = append(b, c)
		}
	}
	return b, paired
}

func unhex4(b []byte) rune {
	return rune(unhex(b[0])<<12 | unhex(b[1])<<8 | unhex(b[2])<<4 | unhex(b[3]))
}
