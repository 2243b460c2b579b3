package wasm

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"gristmill/internal/bindings/wasi_http_outgoing_handler"
	http "gristmill/internal/bindings/wasi_http_types"
	"gristmill/internal/bindings/wasi_io_streams"
	"gristmill/internal/host"
	wit "gristmill/internal/wit/types"
)

const (
	// writeAtOnce is how many bytes one blocking write takes at most.
	writeAtOnce = 4 << 10
	// readAtOnce is how many bytes to ask for in one read.
	readAtOnce = 64 << 10
)

// Send asks `wasi:http`. Only this guest waits: its host goes on with other jobs.
func (Host) Send(request *host.Request) (*host.Response, error) {
	defer asks()()
	outgoing, body, err := outgoing(request)
	if err != nil {
		return nil, err
	}
	defer body.Drop()
	handled := wasi_http_outgoing_handler.Handle(outgoing, options(request.Timeout))
	if handled.IsErr() {
		return nil, failed(request, handled.Err())
	}
	pending := handled.Ok()
	defer pending.Drop()
	if len(request.Body) > 0 {
		write(body, request.Body)
	}
	// A body that the other side did not take to its end fails here; the answer below says why.
	_ = http.OutgoingBodyFinish(body, wit.None[*http.Fields]())

	ready := pending.Subscribe()
	ready.Block()
	ready.Drop()
	answer, there := maybe(pending.Get())
	if !there || answer.IsErr() {
		return nil, broken(request, "the response was taken already")
	}
	if answer.Ok().IsErr() {
		return nil, failed(request, answer.Ok().Err())
	}
	return response(request, answer.Ok().Ok())
}

// outgoing is a request as the worker takes it, and the body that is still to be written.
func outgoing(request *host.Request) (*http.OutgoingRequest, *http.OutgoingBody, error) {
	var headers []wit.Tuple2[string, []byte]
	for _, header := range request.Headers {
		if !strings.EqualFold(header.Name, "content-length") && !strings.EqualFold(header.Name, "host") {
			headers = append(headers, wit.Tuple2[string, []byte]{F0: clean(header.Name), F1: []byte(header.Value)})
		}
	}
	if length := len(request.Body); length > 0 {
		headers = append(headers, wit.Tuple2[string, []byte]{F0: "content-length", F1: strconv.AppendInt(nil, int64(length), 10)})
	}
	fields := http.FieldsFromList(headers)
	if fields.IsErr() {
		why := "its name or value has characters that none may have"
		if fields.Err().Tag() == http.HeaderErrorForbidden {
			why = "the host sets one of them itself"
		}
		return nil, nil, host.HTTP(host.KindHeader, "", why)
	}
	made := http.MakeOutgoingRequest(fields.Ok())
	scheme := http.MakeSchemeHttp()
	if request.TLS {
		scheme = http.MakeSchemeHttps()
	}
	answers := []wit.Result[wit.Unit, wit.Unit]{
		made.SetMethod(method(request.Method)), made.SetScheme(wit.Some(scheme)),
		made.SetAuthority(wit.Some(request.Authority)), made.SetPathWithQuery(wit.Some(request.Path)),
	}
	for _, answer := range answers {
		if answer.IsErr() {
			made.Drop()
			return nil, nil, host.HTTP(host.KindURL, request.URL, "the host does not take it")
		}
	}
	body := made.Body()
	if body.IsErr() {
		made.Drop()
		return nil, nil, broken(request, "the request has no body")
	}
	return made, body.Ok(), nil
}

func method(name string) http.Method {
	names := [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
	makers := [...]func() http.Method{
		http.MakeMethodGet, http.MakeMethodHead, http.MakeMethodPost, http.MakeMethodPut, http.MakeMethodDelete,
		http.MakeMethodConnect, http.MakeMethodOptions, http.MakeMethodTrace, http.MakeMethodPatch,
	}
	for i, known := range names {
		if known == name {
			return makers[i]()
		}
	}
	return http.MakeMethodOther(name)
}

func options(timeout *uint64) wit.Option[*http.RequestOptions] {
	if timeout == nil {
		return wit.None[*http.RequestOptions]()
	}
	made := http.MakeRequestOptions()
	made.SetConnectTimeout(wit.Some(*timeout))
	made.SetFirstByteTimeout(wit.Some(*timeout))
	made.SetBetweenBytesTimeout(wit.Some(*timeout))
	return wit.Some(made)
}

// write writes as much as the other side takes.
func write(body *http.OutgoingBody, text []byte) {
	stream := body.Write()
	if stream.IsErr() {
		return
	}
	defer stream.Ok().Drop()
	for len(text) > 0 {
		piece := text[:min(len(text), writeAtOnce)]
		text = text[len(piece):]
		if answer := stream.Ok().BlockingWriteAndFlush(piece); answer.IsErr() {
			if said := answer.Err(); said.Tag() == wasi_io_streams.StreamErrorLastOperationFailed {
				said.LastOperationFailed().Drop()
			}
			return
		}
	}
}

func response(request *host.Request, incoming *http.IncomingResponse) (*host.Response, error) {
	made := &host.Response{Status: int(incoming.Status())}
	fields := incoming.Headers()
	for _, header := range fields.Entries() {
		made.Headers = append(made.Headers, host.Pair{Name: header.F0, Value: clean(string(header.F1))})
	}
	fields.Drop()
	reading := &body{request: request, response: incoming}
	if consumed := incoming.Consume(); consumed.IsOk() {
		reading.body = consumed.Ok()
		if stream := reading.body.Stream(); stream.IsOk() {
			reading.stream = stream.Ok()
		}
	}
	opened(reading)
	made.Body = reading
	if reading.stream == nil {
		reading.Drop()
		return nil, broken(request, "the response was read already")
	}
	return made, nil
}

// body is what the worker holds of a response that is being read.
type body struct {
	request  *host.Request
	response *http.IncomingResponse
	body     *http.IncomingBody
	stream   *wasi_io_streams.InputStream
	left     []byte
	ended    error
}

// Read is the next piece, at most once what the worker gives at once.
func (b *body) Read(into []byte) (int, error) {
	for len(b.left) == 0 {
		if b.ended != nil {
			return 0, b.ended
		}
		b.fill()
	}
	count := copy(into, b.left)
	b.left = b.left[count:]
	return count, nil
}

func (b *body) fill() {
	defer asks()()
	answer := b.stream.BlockingRead(readAtOnce)
	if answer.IsOk() {
		b.left = answer.Ok()
		return
	}
	b.ended = io.EOF
	if said := answer.Err(); said.Tag() == wasi_io_streams.StreamErrorLastOperationFailed {
		reason := said.LastOperationFailed()
		b.ended = host.HTTP(host.KindFailed, b.request.Authority, reason.ToDebugString())
		reason.Drop()
	}
	b.Drop()
}

// Close gives up what was not read.
func (b *body) Close() error {
	if b.ended == nil {
		b.ended = errors.New("the response was closed")
	}
	b.left = nil
	b.Drop()
	return nil
}

// Drop gives back what the worker holds, the inner first. A second time does nothing.
func (b *body) Drop() {
	if b.stream != nil {
		b.stream.Drop()
	}
	if b.body != nil {
		b.body.Drop()
	}
	b.response.Drop()
	closed(b)
}

func broken(request *host.Request, why string) error {
	return host.HTTP(host.KindFailed, request.Authority, why)
}
