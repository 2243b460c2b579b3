// Package state keeps small durable values, private to the job type, shared by all its attempts. Every call waits for
// Redis.
//
// A key has 1 to 256 bytes, a value as JSON at most 64 KiB, a job type at most 1000 keys.
package state

import (
	"context"
	"fmt"
	"time"

	"gristmill/internal/host"
	"gristmill/internal/typed"
)

// Forever is the `ttl` of what stays.
const Forever time.Duration = 0

// Get is the value of a key; false if there is none.
func Get[T any](ctx context.Context, key string) (value T, found bool, err error) {
	text, found, err := host.Of(ctx).StateGet(key)
	if err != nil || !found {
		return value, false, err
	}
	if err := typed.Read(text, &value); err != nil {
		return value, true, host.State(host.KindInvalid, fmt.Sprintf("`%s` holds something else: %v", key, err))
	}
	return value, true, nil
}

// Set sets a value, to be forgotten after `ttl`, or [Forever].
func Set(ctx context.Context, key string, value any, ttl time.Duration) error {
	text, err := written(value)
	if err != nil {
		return err
	}
	return host.Of(ctx).StateSet(key, text, host.OptMs(ttl))
}

// Delete forgets a value; false if there was none.
func Delete(ctx context.Context, key string) (bool, error) { return host.Of(ctx).StateDelete(key) }

// Increment adds to a whole number, 0 if there is none, and answers the sum. The `ttl` is that of a number that is made.
func Increment(ctx context.Context, key string, delta int64, ttl time.Duration) (int64, error) {
	return host.Of(ctx).StateIncrement(key, delta, host.OptMs(ttl))
}

// CompareAndSet sets a value if the present one is `expected`. False: it was another, or there was none, and nothing
// changed.
func CompareAndSet[T any](ctx context.Context, key string, expected, value T, ttl time.Duration) (bool, error) {
	before, err := written(expected)
	if err != nil {
		return false, err
	}
	after, err := written(value)
	if err != nil {
		return false, err
	}
	return host.Of(ctx).StateCompareAndSet(key, before, after, host.OptMs(ttl))
}

// SetIfNone sets a value if there is none. False: there was one, and it stays.
func SetIfNone(ctx context.Context, key string, value any, ttl time.Duration) (bool, error) {
	text, err := written(value)
	if err != nil {
		return false, err
	}
	return host.Of(ctx).StateCompareAndSet(key, nil, text, host.OptMs(ttl))
}

func written(value any) ([]byte, error) {
	text, err := typed.Write(value)
	if err != nil {
		return nil, host.State(host.KindInvalid, err.Error())
	}
	return text, nil
}
