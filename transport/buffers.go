package transport

import "sync"

// Buffers are pooled, since most connections are idle most of the time.

// bursts are what writers encode into.
var bursts = sync.Pool{New: func() any { return new([]byte) }}

// keepBurst is the largest such buffer that is kept.
const keepBurst = 2 * burst
