// Package ratelimit asks limiters: named rate limits that all workers share, those in `allow.limiters` of the job type.
// Every call waits for Redis.
//
//	if err := ratelimit.TryAcquire(ctx, "resend-api", "", 1); err != nil {
//		return "", err // refused, the job comes back when the limiter has room; that uses no attempt
//	}
package ratelimit

import (
	"context"
	"time"

	"gristmill/internal/host"
)

// TryAcquire charges `cost` units, at least 1, and never waits for room. `key` counts apart, such as a tenant; "" counts
// all together. [gristmill.ErrLimited] without room.
func TryAcquire(ctx context.Context, limiter, key string, cost uint32) error {
	return host.Of(ctx).TryAcquire(limiter, key, cost)
}

// Acquire waits for room, up to `maxWait`, and answers how long that took. The wait takes neither a thread nor fuel; the
// attempt's deadline holds all the while.
func Acquire(ctx context.Context, limiter, key string, cost uint32, maxWait time.Duration) (time.Duration, error) {
	waited, err := host.Of(ctx).Acquire(limiter, key, cost, host.Ms(maxWait))
	return host.Duration(waited), err
}
