// Makes a report of a web server's access log: figures, and a page for people.
package main

import (
	"bufio"
	"fmt"
	"log/slog"
	"strings"

	"gristmill"
	"gristmill/metrics"
	"gristmill/progress"
)

// Request is what producers send.
type Request struct {
	// Log has a line for each request, in the Common or the Combined Log Format.
	Log string `json:"log"`
	// Title is that of the page.
	Title string `json:"title,omitempty"`
	// Top is how many paths are told; 10 unless given.
	Top int `json:"top,omitempty"`
}

// Report is what the job returns.
type Report struct {
	Figures
	HTML string `json:"html"`
}

const (
	mostTop = 1_000
	// every is after how many lines the progress is told and the time looked at.
	every = 1_000
	// most is the length of a line.
	most = 64 << 10
	// mostUnread is how many lines that are none may be there.
	mostUnread = 100
)

func report(ctx gristmill.Context, job gristmill.Job[Request]) (Report, error) {
	request := job.Data
	if request.Top == 0 {
		request.Top = 10
	}
	if request.Top < 0 || request.Top > mostTop {
		return Report{}, gristmill.Permanentf("at `top`: %d is not from 1 to %d", request.Top, mostTop).WithCode("bad-data")
	}
	counted := newCounter()
	lines := bufio.NewScanner(strings.NewReader(request.Log))
	lines.Buffer(nil, most)
	read, unread, number := 0, 0, 0
	for lines.Scan() {
		number++
		read += len(lines.Text()) + 1
		if number%every == 0 {
			progress.Report(ctx, uint64(read), uint64(len(request.Log)))
			if ctx.Cancelled() {
				return Report{}, gristmill.Retryablef("stopped after %d lines: time is up; raise `timeout`", number).WithCode("out-of-time")
			}
		}
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		entry, err := parse(lines.Text())
		if err != nil {
			if unread++; unread > mostUnread {
				return Report{}, gristmill.Permanentf("at line %d: %w; more than %d lines are no entries", number, err, mostUnread).WithCode("no-log")
			}
			slog.WarnContext(ctx, "a line is no entry", "line", number, "why", err)
			continue
		}
		counted.add(entry)
	}
	if err := lines.Err(); err != nil {
		return Report{}, gristmill.Permanentf("after line %d: %w", number, err).WithCode("no-log")
	}
	figures := counted.figures(request.Top)
	figures.Unread = unread
	page, err := render(request.Title, figures)
	if err != nil {
		return Report{}, fmt.Errorf("rendering the page: %w", err)
	}
	metrics.Counter(ctx, "access_log_lines", uint64(number), nil)
	return Report{figures, page}, nil
}

func init() { gristmill.Handle(report) }

func main() { gristmill.Main() }
