// Package circuitbreaker asks circuit breakers, which all workers share: calls to a service that fails are not made for a
// while. A job type may ask those in `allow.breakers`. HTTP requests pass the breaker of their entry in `allow.http` by
// themselves.
//
//	err := circuitbreaker.Guard(ctx, "stripe", "", charge)
//
// Open, returned from a handler, sends the job back until a probe may pass; that uses no attempt.
package circuitbreaker

import (
	"context"

	"gristmill/internal/host"
)

// Outcome is how a guarded call ended.
type Outcome uint8

const (
	// Success is a service that works.
	Success Outcome = iota
	// Failure is one that does not.
	Failure
	// Ignore is a call that says nothing of it.
	Ignore
)

// Permit is leave to make one call. Without Complete it counts as a failure once the job has ended.
type Permit struct{ permit host.Permit }

// Complete says how the call ended; the second time does nothing.
func (p *Permit) Complete(outcome Outcome) {
	if p.permit != nil {
		p.permit.Complete(uint8(outcome))
		p.permit = nil
	}
}

// Enter asks for leave to make one call. `key` has a state of its own, such as a region; "" is the one that all share.
// [gristmill.ErrOpen] if no call is to be made.
func Enter(ctx context.Context, breaker, key string) (*Permit, error) {
	permit, err := host.Of(ctx).Enter(breaker, key)
	if err != nil {
		return nil, err
	}
	return &Permit{permit}, nil
}

// Guard makes one call, if it may, and says how it ended: an error is a failure, and so is a panic.
func Guard(ctx context.Context, breaker, key string, call func() error) error {
	permit, err := Enter(ctx, breaker, key)
	if err != nil {
		return err
	}
	defer permit.Complete(Failure)
	err = call()
	if err == nil {
		permit.Complete(Success)
	}
	return err
}
