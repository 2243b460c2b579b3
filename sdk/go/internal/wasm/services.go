package wasm

import (
	"gristmill/internal/bindings/gristmill_job_circuit_breaker"
	"gristmill/internal/bindings/gristmill_job_enqueue"
	"gristmill/internal/bindings/gristmill_job_rate_limit"
	"gristmill/internal/bindings/gristmill_job_secrets"
	"gristmill/internal/bindings/gristmill_job_state"
	"gristmill/internal/host"
	wit "gristmill/internal/wit/types"
)

func (Host) Submit(jobs []host.NewJob) ([]host.Added, error) {
	defer asks()()
	given := make([]gristmill_job_enqueue.NewJob, len(jobs))
	for i, job := range jobs {
		given[i] = gristmill_job_enqueue.NewJob{
			Name: clean(job.Name), Queue: text(job.Queue), Data: job.Data, Delay: option(job.Delay),
			UniqueKey: text(job.UniqueKey), Child: job.Child, Options: text(job.Options),
		}
	}
	answer := gristmill_job_enqueue.SubmitMany(given)
	if answer.IsErr() {
		return nil, enqueueError(answer.Err())
	}
	added := make([]host.Added, len(answer.Ok()))
	for i, job := range answer.Ok() {
		added[i] = host.Added{ID: job.Id, Existing: job.Existing}
	}
	return added, nil
}

func (Host) Children() ([]host.Entry, error) {
	defer asks()()
	answer := gristmill_job_enqueue.Children()
	if answer.IsErr() {
		return nil, enqueueError(answer.Err())
	}
	made := make([]host.Entry, len(answer.Ok()))
	for i, child := range answer.Ok() {
		made[i] = host.Entry{Key: child.F0, Value: child.F1}
	}
	return made, nil
}

func (Host) FailedChildren() ([]host.Entry, error) {
	defer asks()()
	answer := gristmill_job_enqueue.FailedChildren()
	if answer.IsErr() {
		return nil, enqueueError(answer.Err())
	}
	made := make([]host.Entry, len(answer.Ok()))
	for i, child := range answer.Ok() {
		made[i] = host.Entry{Key: child.F0, Value: []byte(child.F1)}
	}
	return made, nil
}

func enqueueError(said gristmill_job_enqueue.EnqueueError) error {
	switch said.Tag() {
	case gristmill_job_enqueue.EnqueueErrorDenied:
		return host.Enqueue(host.KindDenied, said.Denied())
	case gristmill_job_enqueue.EnqueueErrorInvalid:
		return host.Enqueue(host.KindInvalid, said.Invalid())
	case gristmill_job_enqueue.EnqueueErrorQuotaExceeded:
		return host.Enqueue(host.KindQuotaExceeded, "")
	default:
		return host.Enqueue(host.KindUnavailable, said.Unavailable())
	}
}

func (Host) StateGet(key string) ([]byte, bool, error) {
	defer asks()()
	answer := gristmill_job_state.Get(clean(key))
	if answer.IsErr() {
		return nil, false, stateError(answer.Err())
	}
	value, found := maybe(answer.Ok())
	return value, found, nil
}

func (Host) StateSet(key string, value []byte, ttl *uint64) error {
	defer asks()()
	return stateFailed(gristmill_job_state.Set(clean(key), value, option(ttl)))
}

func (Host) StateDelete(key string) (bool, error) {
	defer asks()()
	return stateValue(gristmill_job_state.Delete(clean(key)))
}

func (Host) StateIncrement(key string, delta int64, ttl *uint64) (int64, error) {
	defer asks()()
	return stateValue(gristmill_job_state.Increment(clean(key), delta, option(ttl)))
}

func (Host) StateCompareAndSet(key string, expected, value []byte, ttl *uint64) (bool, error) {
	defer asks()()
	before := wit.None[[]byte]()
	if expected != nil {
		before = wit.Some(expected)
	}
	return stateValue(gristmill_job_state.CompareAndSet(clean(key), before, value, option(ttl)))
}

func stateFailed(answer wit.Result[wit.Unit, gristmill_job_state.StateError]) error {
	_, err := stateValue(answer)
	return err
}

func stateValue[T any](answer wit.Result[T, gristmill_job_state.StateError]) (T, error) {
	if answer.IsErr() {
		var none T
		return none, stateError(answer.Err())
	}
	return answer.Ok(), nil
}

func stateError(said gristmill_job_state.StateError) error {
	switch said.Tag() {
	case gristmill_job_state.StateErrorInvalid:
		return host.State(host.KindInvalid, said.Invalid())
	case gristmill_job_state.StateErrorTooLarge:
		return host.State(host.KindTooLarge, "")
	case gristmill_job_state.StateErrorQuotaExceeded:
		return host.State(host.KindQuotaExceeded, "")
	default:
		return host.State(host.KindUnavailable, said.Unavailable())
	}
}

func (Host) Secret(name string) (string, error) {
	defer asks()()
	answer := gristmill_job_secrets.Get(clean(name))
	if answer.IsOk() {
		return answer.Ok(), nil
	}
	if said := answer.Err(); said.Tag() == gristmill_job_secrets.SecretErrorUnavailable {
		return "", host.Secret(host.KindUnavailable, name, said.Unavailable())
	}
	return "", host.Secret(host.KindDenied, name, "")
}

func (Host) TryAcquire(limiter, key string, cost uint32) error {
	defer asks()()
	_, err := limited(gristmill_job_rate_limit.TryAcquire(clean(limiter), clean(key), cost))
	return err
}

func (Host) Acquire(limiter, key string, cost uint32, maxWait uint64) (uint64, error) {
	defer asks()()
	return limited(gristmill_job_rate_limit.Acquire(clean(limiter), clean(key), cost, maxWait))
}

func limited[T any](answer wit.Result[T, gristmill_job_rate_limit.LimitError]) (T, error) {
	if answer.IsOk() {
		return answer.Ok(), nil
	}
	var none T
	said := answer.Err()
	switch said.Tag() {
	case gristmill_job_rate_limit.LimitErrorLimited:
		return none, host.Limit(host.KindLimited, "", host.Duration(said.Limited()))
	case gristmill_job_rate_limit.LimitErrorUnknownLimiter:
		return none, host.Limit(host.KindUnknownLimiter, "", 0)
	case gristmill_job_rate_limit.LimitErrorDenied:
		return none, host.Limit(host.KindDenied, "", 0)
	case gristmill_job_rate_limit.LimitErrorInvalid:
		return none, host.Limit(host.KindInvalid, said.Invalid(), 0)
	default:
		return none, host.Limit(host.KindUnavailable, said.Unavailable(), 0)
	}
}

func (Host) Enter(breaker, key string) (host.Permit, error) {
	defer asks()()
	answer := gristmill_job_circuit_breaker.Enter(clean(breaker), clean(key))
	if answer.IsOk() {
		opened(answer.Ok())
		return permit{answer.Ok()}, nil
	}
	said := answer.Err()
	switch said.Tag() {
	case gristmill_job_circuit_breaker.BreakerErrorOpen:
		return nil, host.Breaker(host.KindOpen, "", host.Duration(said.Open()))
	case gristmill_job_circuit_breaker.BreakerErrorUnknownBreaker:
		return nil, host.Breaker(host.KindUnknownBreaker, "", 0)
	case gristmill_job_circuit_breaker.BreakerErrorDenied:
		return nil, host.Breaker(host.KindDenied, "", 0)
	case gristmill_job_circuit_breaker.BreakerErrorInvalid:
		return nil, host.Breaker(host.KindInvalid, said.Invalid(), 0)
	default:
		return nil, host.Breaker(host.KindUnavailable, said.Unavailable(), 0)
	}
}

type permit struct {
	permit *gristmill_job_circuit_breaker.Permit
}

func (p permit) Complete(outcome uint8) {
	closed(p.permit)
	gristmill_job_circuit_breaker.PermitComplete(p.permit, outcome)
}
