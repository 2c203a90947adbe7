package jet

import (
	"strconv"
	"strings"
)

// MaxPartitions is the most partitions that a stream may have.
const MaxPartitions = 4096

// Partition gives the partition of an id, 0 to count-1: the 64-bit FNV-1a hash of
// its bytes, modulo count. It is the same for ever, and anybody may compute it.
func Partition(id string, count int) int {
	hash := uint64(0xcbf29ce484222325)
	for i := range len(id) {
		hash = (hash ^ uint64(id[i])) * 0x100000001b3
	}
	return int(hash % uint64(count))
}

// Subject gives the subject of a partition.
func Subject(subject string, partition int) string {
	return subject + "." + strconv.Itoa(partition)
}

// ValidName tells whether s can name a stream, or be a token of a subject: 1 to 200
// letters of ASCII, digits, - and _.
func ValidName(s string) bool {
	return s != "" && len(s) <= 200 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
