package gristmill_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gristmill"
	"gristmill/gristmilltest"
)

type order struct {
	Items    []float64 `json:"items"`
	Currency string    `json:"currency"`
}

func total(_ gristmill.Context, job gristmill.Job[order]) (string, error) {
	sum := 0.0
	for _, price := range job.Data.Items {
		sum += price
	}
	return fmt.Sprintf("%.2f %s", sum, job.Data.Currency), nil
}

func TestAHandlerIsCalledThroughJSON(t *testing.T) {
	host := gristmilltest.New(t)
	value, err := gristmilltest.Call(host, total, gristmilltest.Job(host, order{[]float64{1.5, 2}, "EUR"}))
	if err != nil || value != "3.50 EUR" {
		t.Errorf("%q, %v", value, err)
	}
}

func TestDataThatDoesNotFitIsPermanentAndNamesThePlace(t *testing.T) {
	host := gristmilltest.New(t)
	_, err := gristmilltest.Call(host, total, gristmilltest.Text[order](`{"items":[1,"two"],"currency":"EUR"}`))
	end := endOf(t, err)
	wanted := "the job's data does not fit this handler: at `items[1]`: expected a number, found \"two\""
	if end.End != gristmill.EndPermanent || end.Code != "bad-data" || end.Message != wanted {
		t.Errorf("%+v", end)
	}
}

func endOf(t *testing.T, err error) *gristmill.JobError {
	t.Helper()
	var end *gristmill.JobError
	if !errors.As(err, &end) {
		t.Fatalf("%v is no end of a job", err)
	}
	return end
}

type silent struct{}

func (silent) Error() string { return "" }

type broken struct{ inner *broken }

func (b *broken) Error() string { return b.inner.inner.Error() }

func TestEveryErrorBecomesAnEnd(t *testing.T) {
	cases := []struct {
		name    string
		err     error
		end     gristmill.End
		message string
		detail  string
	}{
		{"ordinary", errors.New("no luck"), gristmill.EndRetryable, "no luck", "returned by gristmill_test.TestEveryErrorBecomesAnEnd"},
		{"wrapped", fmt.Errorf("sending: %w", errors.New("no luck")), gristmill.EndRetryable, "sending: no luck", "caused by: no luck (*errors.errorString)"},
		{"without a text", silent{}, gristmill.EndRetryable, "without a text", ""},
		{"with a broken Error", (*broken)(nil), gristmill.EndRetryable, "whose Error method panics", ".Error ("},
		{"permanent", gristmill.Permanent("never").WithCode("c"), gristmill.EndPermanent, "never", ""},
		{"formatted", gristmill.Retryablef("again: %w", errors.New("x")), gristmill.EndRetryable, "again: x", "caused by: x"},
		{"permanent, wrapped", fmt.Errorf("mail 7: %w", gristmill.Permanent("never")), gristmill.EndPermanent, "mail 7: never", ""},
		{"rate limited", gristmill.RateLimited(time.Second, "slow"), gristmill.EndRateLimited, "slow", ""},
		{"deferred", gristmill.Deferred(time.Second, "later"), gristmill.EndDeferred, "later", ""},
		{"waits", gristmill.WaitForChildren(), gristmill.EndWaitForChildren, "waits", ""},
		{"nil of a type", (*gristmill.JobError)(nil), gristmill.EndRetryable, "whose Error method panics", ""},
	}
	for _, c := range cases {
		host := gristmilltest.New(t)
		handler := func(gristmill.Context, gristmill.Job[any]) (any, error) { return nil, c.err }
		_, err := gristmilltest.Call(host, handler, gristmilltest.Job[any](host, nil))
		end := endOf(t, err)
		if end.End != c.end || !strings.Contains(end.Message, c.message) || !strings.Contains(end.Detail, c.detail) {
			t.Errorf("%s: %+v", c.name, end)
		}
	}
}

type circular struct{ self *circular }

func fail(value any) { panic(value) }

func TestAPanicBecomesARetryableEndWithThePlace(t *testing.T) {
	itself := &circular{}
	itself.self = itself
	cases := []struct {
		panics  func()
		message string
	}{
		{func() { fail("a text") }, "panic: a text, at gristmill_test.fail ("},
		{func() { fail(errors.New("an error")) }, "panic: an error, at"},
		{func() { fail(17) }, "panic: 17, at"},
		{func() { fail(itself) }, "panic: a value of type *gristmill_test.circular, at"},
		{func() { fail(silent{}) }, "panic: a value of type gristmill_test.silent without a text, at"},
		{func() { fail((*broken)(nil)) }, "panic: a value of type *gristmill_test.broken, which cannot say what it is, at"},
		{func() { fail(nil) }, "panic: "},
		{func() { var none []int; _ = none[len(none)+2] }, "panic: runtime error: index out of range [2] with length 0, at gristmill_test."},
		{func() { var none map[string]int; none["x"] = 1 }, "panic: assignment to entry in nil map, at gristmill_test."},
	}
	for _, c := range cases {
		host := gristmilltest.New(t)
		handler := func(gristmill.Context, gristmill.Job[any]) (any, error) { c.panics(); return nil, nil }
		_, err := gristmilltest.Call(host, handler, gristmilltest.Job[any](host, nil))
		end := endOf(t, err)
		if end.End != gristmill.EndRetryable || !strings.HasPrefix(end.Message, c.message) || !strings.Contains(end.Message, "gristmill_test.go:") {
			t.Errorf("%+v", end)
		}
		if !strings.Contains(end.Detail, "gristmill_test.go:") || strings.Contains(end.Detail, "runtime.") {
			t.Errorf("%s", end.Detail)
		}
	}
}

func TestNothingIsNoValue(t *testing.T) {
	host := gristmilltest.New(t)
	none := func(gristmill.Context, gristmill.Job[any]) (gristmill.Nothing, error) {
		return gristmill.Nothing{}, nil
	}
	text, err := gristmill.Call(host.Context(), none, gristmilltest.Job[any](host, nil))
	if text != nil || err != nil {
		t.Errorf("%s, %v", text, err)
	}
}

func TestAValueWithoutAJSONFormIsPermanent(t *testing.T) {
	host := gristmilltest.New(t)
	odd := func(gristmill.Context, gristmill.Job[any]) (any, error) { return func() {}, nil }
	_, err := gristmilltest.Call(host, odd, gristmilltest.Job[any](host, nil))
	if end := endOf(t, err); end.End != gristmill.EndPermanent || end.Code != "bad-return-value" {
		t.Errorf("%+v", end)
	}
}

func TestTheContextIsThatOfGo(t *testing.T) {
	host := gristmilltest.New(t)
	host.Times = gristmilltest.Times{Deadline: time.UnixMilli(5_000), Remaining: time.Second, Digest: "sha256:x"}
	host.Headers = []gristmilltest.Header{{Name: "Tenant", Value: "acme"}}
	ctx := host.Context()
	if at, limited := ctx.Deadline(); !limited || at.UnixMilli() != 5_000 {
		t.Errorf("%v", at)
	}
	if left, limited := ctx.Remaining(); !limited || left != time.Second {
		t.Errorf("%v", left)
	}
	if value, found := ctx.Header("tenant"); !found || value != "acme" || ctx.Digest() != "sha256:x" {
		t.Errorf("%v", value)
	}
	if _, found := ctx.Traceparent(); found || ctx.Err() != nil || ctx.Cancelled() {
		t.Error("nothing was set")
	}
	derived, cancel := context.WithCancel(ctx)
	defer cancel()
	host.Cancel()
	<-derived.Done()
	if !errors.Is(derived.Err(), context.Canceled) || !ctx.Cancelled() {
		t.Errorf("%v", derived.Err())
	}
	host.Times.Remaining = 0
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("%v", ctx.Err())
	}
}

func TestAServiceOutsideOfAJobSaysSo(t *testing.T) {
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "pass on the context") {
			t.Error(text)
		}
	}()
	gristmill.NewContext(context.Background())
}
