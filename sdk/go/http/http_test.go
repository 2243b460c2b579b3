package http_test

import (
	"errors"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"gristmill"
	"gristmill/gristmilltest"
	"gristmill/http"
	bridge "gristmill/nethttp"
)

func TestTestsSeeRequestsAndGiveAnswers(t *testing.T) {
	host := gristmilltest.New(t)
	host.Answers = []gristmilltest.Answer{{Status: 429, Body: `{"id":7}`, Headers: []http.Header{{Name: "retry-after", Value: "3"}}}}
	response, err := http.Send(host.Context(), http.Request{Method: "put", URL: "http://example.com/x", Body: []byte("data"), Headers: []http.Header{http.JSON}})
	if err != nil {
		t.Fatal(err)
	}
	if wait, asked := response.RetryAfter(); !asked || wait != 3*time.Second || response.IsSuccess() {
		t.Error(wait, asked)
	}
	mail, err := http.Read[struct{ ID int }](response)
	if err != nil || mail.ID != 7 {
		t.Error(mail, err)
	}
	if sent := host.Requests[0]; sent.Method != "PUT" || string(sent.Body) != "data" || sent.Headers[0] != http.JSON {
		t.Errorf("%+v", sent)
	}
	if _, err := http.Get(host.Context(), "http://example.com"); !errors.Is(err, gristmill.ErrFailed) {
		t.Error(err)
	}
}

func TestAMalformedRequestIsNotSent(t *testing.T) {
	host := gristmilltest.New(t)
	for _, url := range []string{"", "example.com", "ftp://example.com", "http://", "https:///path", "http://user:x@example.com", "http://exa mple.com", "http://bücher.example", "ä"} {
		if _, err := http.Get(host.Context(), url); !errors.Is(err, gristmill.ErrURL) || !strings.Contains(err.Error(), "`"+url+"`") {
			t.Error(url, err)
		}
	}
	if _, err := http.Send(host.Context(), http.Request{Method: "G T", URL: "http://example.com"}); !errors.Is(err, gristmill.ErrURL) {
		t.Error(err)
	}
	if len(host.Requests) > 0 {
		t.Errorf("%+v", host.Requests)
	}
}

func TestABodyIsBoundedUnlessItIsStreamed(t *testing.T) {
	host := gristmilltest.New(t)
	host.Answers = []gristmilltest.Answer{{Status: 200, Body: "12345"}, {Status: 200, Body: "12345"}}
	if _, err := http.Send(host.Context(), http.Request{URL: "http://example.com", MaxBody: 4}); !errors.Is(err, gristmill.ErrTooLarge) {
		t.Error(err)
	}
	streamed, err := http.Stream(host.Context(), http.Request{URL: "http://example.com", MaxBody: 4})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(streamed); string(body) != "12345" || err != nil || streamed.Close() != nil {
		t.Error(body, err)
	}
}

func TestTheStandardClientAsksTheHost(t *testing.T) {
	host := gristmilltest.New(t)
	host.Answers = []gristmilltest.Answer{
		{Status: 302, Body: "moved", Headers: []http.Header{{Name: "location", Value: "/elsewhere"}}},
		{Err: &gristmill.ServiceError{Service: "http", Kind: gristmill.ErrDenied, Message: "no"}},
	}
	ask := func() (*nethttp.Response, error) {
		request, err := nethttp.NewRequestWithContext(host.Context(), "POST", "http://example.com/a?b=c", strings.NewReader("data"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Ask", "yes")
		return bridge.Client().Do(request)
	}
	response, err := ask()
	if err != nil || response.StatusCode != 302 || response.Header.Get("Location") != "/elsewhere" {
		t.Fatal(response, err)
	}
	if sent := host.Requests[0]; sent.URL != "http://example.com/a?b=c" || string(sent.Body) != "data" || sent.Headers[0] != (http.Header{Name: "x-ask", Value: "yes"}) {
		t.Errorf("%+v", sent)
	}
	if _, err := ask(); !errors.Is(err, gristmill.ErrDenied) {
		t.Error(err)
	}
	if _, err := bridge.Client().Get("http://example.com"); err == nil || !strings.Contains(err.Error(), "NewRequestWithContext") {
		t.Error(err)
	}
}
