// Greets whoever the job names.
package main

import (
	"gristmill"
	"gristmill/log"
)

// Data is what producers send.
type Data struct {
	To string `json:"to"`
}

// Greeting is what the job returns.
type Greeting struct {
	Greeting string `json:"greeting"`
}

func greet(ctx gristmill.Context, job gristmill.Job[Data]) (Greeting, error) {
	log.Info(ctx, "greeting "+job.Data.To, "attempt", job.Attempt)
	if job.Data.To == "" {
		return Greeting{}, gristmill.Permanent("there is nobody to greet")
	}
	return Greeting{"Hello " + job.Data.To}, nil
}

func init() { gristmill.Handle(greet) }

func main() { gristmill.Main() }
