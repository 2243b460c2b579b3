package main

import (
	"errors"
	"strings"
	"testing"

	"gristmill"
	"gristmill/gristmilltest"
)

const sample = `10.0.0.1 - ada [02/Jan/2026:03:04:05 +0000] "GET /mill?grist=1 HTTP/1.1" 200 512 "-" "curl"
10.0.0.2 - - [02/Jan/2026:03:59:59 +0000] "GET /mill HTTP/1.1" 500 -

10.0.0.1 - - [02/Jan/2026:05:00:00 +0100] "POST /\"><script> HTTP/1.1" 201 20480
`

func call(t *testing.T, request Request) (*gristmilltest.Host, Report, error) {
	t.Helper()
	host := gristmilltest.New(t)
	made, err := gristmilltest.Call(host, report, gristmilltest.Job(host, request))
	return host, made, err
}

func TestALogHasFigures(t *testing.T) {
	host, made, err := call(t, Request{Log: sample + "nonsense\n"})
	if err != nil {
		t.Fatal(err)
	}
	if made.Requests != 3 || made.Unread != 1 || made.Hosts != 2 || made.Bytes != 20992 || made.Median != 512 || made.Statuses["500"] != 1 {
		t.Errorf("%+v", made.Figures)
	}
	if made.Paths[0] != (Path{"/mill", 2, 512, 1}) || len(made.Hours) != 2 || made.Hours[0].Requests != 2 {
		t.Errorf("%+v", made.Figures)
	}
	if line := host.Logs[0]; line.Message != "a line is no entry" || line.Field("line") != "5" {
		t.Errorf("%+v", host.Logs)
	}
	if host.Metrics[0].Value != 5 {
		t.Errorf("%+v", host.Metrics)
	}
}

func TestThePageEscapesWhatTheLogSays(t *testing.T) {
	_, made, err := call(t, Request{Log: sample, Title: "<Mill>"})
	if err != nil || strings.Contains(made.HTML, "<script>") || !strings.Contains(made.HTML, "<h1>&lt;Mill&gt;</h1>") {
		t.Error(err, made.HTML)
	}
	if !strings.Contains(made.HTML, "33.3 % failed") || !strings.Contains(made.HTML, "2026-01-02 03:00") {
		t.Error(made.HTML)
	}
}

func TestAnEmptyLogIsOne(t *testing.T) {
	if _, made, err := call(t, Request{}); err != nil || made.Requests != 0 || made.HTML == "" {
		t.Error(made, err)
	}
}

func TestItTellsHowFarItIsAndStopsInTime(t *testing.T) {
	line := strings.SplitAfter(sample, "\n")[0]
	host, made, err := call(t, Request{Log: strings.Repeat(line, 2_000), Top: 1})
	if err != nil || made.Requests != 2_000 || host.Progress[0] != 50.0 {
		t.Error(err, host.Progress)
	}
	host = gristmilltest.New(t)
	host.Cancel()
	_, err = gristmilltest.Call(host, report, gristmilltest.Job(host, Request{Log: strings.Repeat(line, 1_000)}))
	if err == nil || !strings.Contains(err.Error(), "stopped after 1000 lines") {
		t.Error(err)
	}
}

func TestWhatIsNoLogIsPermanent(t *testing.T) {
	cases := []struct {
		request Request
		message string
	}{
		{Request{Log: strings.Repeat("nonsense\n", 101)}, "at line 101: it does not begin with a host; more than 100 lines are no entries"},
		{Request{Log: strings.Repeat("x", 70_000)}, "after line 0: bufio.Scanner: token too long"},
		{Request{Top: -1}, "at `top`: -1 is not from 1 to 1000"},
	}
	for _, c := range cases {
		_, _, err := call(t, c.request)
		var end *gristmill.JobError
		if !errors.As(err, &end) || end.End != gristmill.EndPermanent || end.Message != c.message {
			t.Errorf("%v", err)
		}
	}
}

func TestLinesThatAreNoEntriesSayWhy(t *testing.T) {
	cases := map[string]string{
		`h - - "GET / HTTP/1.1" 200 1`:                              "no time in brackets",
		`h - - [yesterday] "GET / HTTP/1.1" 200 1`:                  "`yesterday` is no time",
		`h - - [02/Jan/2026:03:04:05 +0000] "-" 200 1`:              "no request in quotes",
		`h - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 20x 1`: "`20x` is no status",
		`h - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 200 x`: "`x` is no size",
		`h - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1"`:       "no status and size",
	}
	for line, wanted := range cases {
		if _, err := parse(line); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
