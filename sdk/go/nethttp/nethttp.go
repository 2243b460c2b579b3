// Package nethttp lets the standard library's HTTP client, and whatever takes one, send requests from a job:
//
//	client := nethttp.Client()
//	request, err := http.NewRequestWithContext(ctx, "GET", "https://example.com/", nil)
//	response, err := client.Do(request)
//
// Requests need the context of the job. [net/http] adds some MiB to the component, and some time to each fresh start;
// package http of this module does without it.
package nethttp

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"gristmill/internal/host"
)

// Transport is an [http.RoundTripper] that asks the job's host. Its zero value is ready.
type Transport struct{}

// Client is one that follows no redirects, as the other packages, and has [Transport].
func Client() *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: Transport{}, CheckRedirect: stay}
}

// RoundTrip sends one request, whose body it reads first. A denied host is [gristmill.ErrDenied], in an [url.Error] as
// all errors of a client are.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		defer request.Body.Close()
	}
	to := host.Maybe(request.Context())
	if to == nil {
		return nil, fmt.Errorf("%s %s: the request has no context of a job: make it with http.NewRequestWithContext", request.Method, request.URL)
	}
	made, err := host.ParseURL(request.URL.String())
	if err != nil {
		return nil, err
	}
	made.Method = request.Method
	if made.Method == "" {
		made.Method = http.MethodGet
	}
	for _, name := range sorted(request.Header) {
		for _, value := range request.Header[name] {
			made.Headers = append(made.Headers, host.Pair{Name: strings.ToLower(name), Value: value})
		}
	}
	if request.Body != nil {
		if made.Body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
	}
	response, err := to.Send(made)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, pair := range response.Headers {
		header.Add(pair.Name, pair.Value)
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", response.Status, http.StatusText(response.Status)),
		StatusCode: response.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: response.Body, ContentLength: -1, Request: request,
	}, nil
}

func sorted(headers http.Header) []string {
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
