package host

import (
	"math"
	"time"
)

// Ms is a duration in whole ms, rounded up so that no wait gets shorter; a negative one is none.
func Ms(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d + time.Millisecond - 1) / time.Millisecond)
}

// OptMs is a duration for what may be left out: zero and less leave it out.
func OptMs(d time.Duration) *uint64 {
	if d <= 0 {
		return nil
	}
	ms := Ms(d)
	return &ms
}

// Duration is a number of ms as a duration, the longest for numbers beyond it.
func Duration(ms uint64) time.Duration {
	if ms > math.MaxInt64/uint64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(ms) * time.Millisecond
}

// At is a point in time from the ms since the Unix epoch.
func At(ms uint64) time.Time { return time.UnixMilli(int64(min(ms, math.MaxInt64))).UTC() }
