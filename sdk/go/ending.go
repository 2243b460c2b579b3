package gristmill

import (
	"errors"
	"fmt"
	"strings"

	"gristmill/internal/host"
)

// ending is how the job ends after an error that the handler returned. It never panics, whatever the error does.
func ending(returned error, handler place) (end *JobError) {
	defer func() {
		if recovered := recover(); recovered != nil {
			message := fmt.Sprintf("%s returned an error of type %T whose Error method panics: %s", handler, returned, said(recovered))
			end = Retryable(message).WithDetail(listed(callers()))
		}
	}()
	message := returned.Error()
	if strings.TrimSpace(message) == "" {
		message = fmt.Sprintf("%s returned an error of type %T without a text", handler, returned)
	}
	var own *JobError
	if errors.As(returned, &own) {
		end := *own
		if own != returned && own.Message != "" {
			end.Message = message
		}
		if end.Detail == "" && end.cause != nil {
			end.Detail = causes(end.cause)
		}
		return &end
	}
	end = &JobError{End: EndRetryable, Message: message, Detail: causes(returned) + "returned by " + handler.String()}
	var service *ServiceError
	if errors.As(returned, &service) {
		switch {
		case service.Kind == host.KindLimited:
			end.End, end.Delay = EndRateLimited, service.RetryAfter
		case service.Kind == host.KindOpen:
			end.End, end.Delay = EndDeferred, service.RetryAfter
		case service.Hopeless():
			end.End = EndPermanent
		}
	}
	return end
}

// causes are what led to an error, one a line; those whose text says nothing new are left out.
func causes(err error) string {
	var lines strings.Builder
	last := err.Error()
	for range 20 {
		err = errors.Unwrap(err)
		if err == nil {
			break
		}
		if text := err.Error(); text != last {
			fmt.Fprintf(&lines, "caused by: %s (%T)\n", text, err)
			last = text
		}
	}
	return lines.String()
}
