// Package http sends requests, to the hosts that the job type allows.
//
//	response, err := http.Send(ctx, http.Request{
//		Method: "POST", URL: "https://api.example.com/mails", Body: mail, Headers: []http.Header{http.JSON},
//	})
//	if err != nil {
//		return "", err
//	}
//	if wait, asked := response.RetryAfter(); asked {
//		return "", gristmill.RateLimited(wait, "the mail service is busy")
//	}
//
// A call waits for the whole response; meanwhile the host runs other jobs. [Stream] hands the body out piece by piece.
// Redirects are not followed. An error is a request that got no response; a status of 400 and more is a response. Package
// nethttp does the same for the standard library's client, whose size it adds to the component.
package http

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"gristmill/internal/host"
	"gristmill/internal/typed"
)

// MaxBody is how many bytes of a response's body are accepted unless a request says otherwise.
const MaxBody = 16 << 20

// Header is a name with its value.
type Header = host.Pair

// JSON is the header that says that a body is JSON.
var JSON = Header{Name: "content-type", Value: "application/json"}

// Request is one to send.
type Request struct {
	// Method is GET if it is empty.
	Method string
	URL    string
	// Headers are sent in their order; `content-length` and `host` are set without them.
	Headers []Header
	Body    []byte
	// Timeout is the longest time to connect, until the response begins, and between its parts; each by itself. Zero:
	// only the attempt's own limit counts.
	Timeout time.Duration
	// MaxBody is how many bytes of the response's body are accepted; zero is [MaxBody]. They must fit the job's memory.
	// Streams have no such bound.
	MaxBody int
}

// Response is one that was read to its end.
type Response struct {
	// Status is such as 200.
	Status int
	// Headers have names in lower case, in the server's order.
	Headers []Header
	// Body is all of it.
	Body []byte
}

// Get sends a GET request; see [Send].
func Get(ctx context.Context, url string) (*Response, error) { return Send(ctx, Request{URL: url}) }

// Send sends a request and reads the response. [gristmill.ErrDenied] for a host that the job type does not allow,
// [gristmill.ErrTooLarge] for a body larger than the request accepts.
func Send(ctx context.Context, request Request) (*Response, error) {
	streamed, err := Stream(ctx, request)
	if err != nil {
		return nil, err
	}
	defer streamed.Close()
	most := request.MaxBody
	if most <= 0 {
		most = MaxBody
	}
	body, err := io.ReadAll(io.LimitReader(streamed, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(body) > most {
		return nil, host.HTTP(host.KindTooLarge, strconv.Itoa(most), "")
	}
	return &Response{streamed.Status, streamed.Headers, body}, nil
}

// Streamed is a response whose body is read piece by piece, with Read. Close gives up what was not read.
type Streamed struct {
	// Status is such as 200.
	Status int
	// Headers have names in lower case, in the server's order.
	Headers []Header

	io.ReadCloser
}

// Stream sends a request and leaves the body of the response to be read.
func Stream(ctx context.Context, request Request) (*Streamed, error) {
	made, err := request.host()
	if err != nil {
		return nil, err
	}
	response, err := host.Of(ctx).Send(made)
	if err != nil {
		return nil, err
	}
	return &Streamed{response.Status, response.Headers, response.Body}, nil
}

// host is a request that can be sent: a mistake in it is told before anything is, and so from trouble with the network.
func (r Request) host() (*host.Request, error) {
	made, err := host.ParseURL(r.URL)
	if err != nil {
		return nil, err
	}
	made.Method = strings.ToUpper(r.Method)
	if made.Method == "" {
		made.Method = "GET"
	}
	if strings.ContainsFunc(made.Method, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, host.HTTP(host.KindURL, r.URL, fmt.Sprintf("`%s` is no method", r.Method))
	}
	made.Headers, made.Body = r.Headers, r.Body
	if r.Timeout > 0 {
		nanoseconds := uint64(r.Timeout)
		made.Timeout = &nanoseconds
	}
	return made, nil
}

// IsSuccess says whether the status is from 200 to 299.
func (r *Response) IsSuccess() bool { return r.Status >= 200 && r.Status < 300 }

// Header is the first one of this name, compared without regard to case; "" without one.
func (r *Response) Header(name string) string { return first(r.Headers, name) }

// Header is the first one of this name, compared without regard to case; "" without one.
func (s *Streamed) Header(name string) string { return first(s.Headers, name) }

// Text is the body as text; what is not UTF-8 in it is replaced.
func (r *Response) Text() string { return strings.ToValidUTF8(string(r.Body), "\uFFFD") }

// RetryAfter is what the header `retry-after` says in seconds, for [gristmill.RateLimited]; false without one, or with a
// date.
func (r *Response) RetryAfter() (time.Duration, bool) {
	seconds, err := strconv.ParseUint(strings.TrimSpace(r.Header("retry-after")), 10, 31)
	return time.Duration(seconds) * time.Second, err == nil
}

// Read makes a value of a response's JSON; the error names the place where it is something else.
func Read[T any](response *Response) (T, error) {
	var value T
	if err := typed.Read(response.Body, &value); err != nil {
		return value, fmt.Errorf("the response is something else: %w", err)
	}
	return value, nil
}

func first(headers []Header, name string) string {
	for _, header := range headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}
