package transport

import "hash/maphash"

// keySet finds a key that comes twice in one envelope, among those that mean
// nothing here; the others have a bit each. It keeps a 64-bit hash of each key,
// with a seed that no client knows, and takes equal hashes for equal keys.
type keySet struct {
	seed  maphash.Seed
	n     int
	few   [8]uint64
	table []uint64 // open addressing, 0 is free; in use once few is full
}

// keepTable is the largest table that is kept for the next envelope.
const keepTable = 1024

// add tells whether key is new.
func (k *keySet) add(key []byte) bool {
	h := maphash.Bytes(k.seed, key) | 1
	if k.n < len(k.few) {
		for _, have := range k.few[:k.n] {
			if have == h {
				return false
			}
		}
		k.few[k.n] = h
		k.n++
		return true
	}
	if k.n == len(k.few) {
		if len(k.table) == 0 {
			k.table = make([]uint64, 64)
		}
		for _, have := range k.few {
			k.insert(have)
		}
	} else if k.n*2 >= len(k.table) {
		old := k.table
		k.table = make([]uint64, 4*len(old))
		for _, have := range old {
			if have != 0 {
				k.insert(have)
			}
		}
	}
	if !k.insert(h) {
		return false
	}
	k.n++
	return true
}

func (k *keySet) insert(h uint64) bool {
	mask := uint64(len(k.table) - 1)
	for i := h >> 1 & mask; ; i = (i + 1) & mask {
		switch k.table[i] {
		case 0:
			k.table[i] = h
			return true
		case h:
			return false
		}
	}
}

func (k *keySet) reset() {
	if k.n > len(k.few) {
		if len(k.table) > keepTable {
			k.table = nil
		}
		clear(k.table)
	}
	k.n = 0
}
