// Gives back its job's data, or parks: what is measured is the SDK and the runtime of the language.
package main

import (
	"time"

	"gristmill"
	"gristmill/log"
)

type data struct {
	Steps []struct {
		Op    string `json:"op"`
		Line  string `json:"line,omitempty"`
		Value any    `json:"value,omitempty"`
		Ms    int    `json:"ms,omitempty"`
	} `json:"steps"`
	To string `json:"to,omitempty"`
}

type answer struct {
	ID   string `json:"id"`
	Data data   `json:"data"`
}

func answered(ctx gristmill.Context, job gristmill.Job[data]) (answer, error) {
	if steps := job.Data.Steps; len(steps) > 1 {
		log.Info(ctx, "begun")
		time.Sleep(time.Duration(steps[1].Ms) * time.Millisecond)
	}
	return answer{job.ID, job.Data}, nil
}

func init() { gristmill.Handle(answered) }

func main() { gristmill.Main() }
