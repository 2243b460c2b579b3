package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// entry is a request that a server wrote down.
type entry struct {
	host   string
	at     time.Time
	method string
	path   string
	status int
	bytes  int64
}

// timeForm is how access logs write times.
const timeForm = "02/Jan/2006:15:04:05 -0700"

// parse reads a line such as `10.0.0.1 - ada [02/Jan/2026:03:04:05 +0000] "GET /a?b HTTP/1.1" 200 512 "-" "curl"`.
func parse(line string) (entry, error) {
	host, rest, found := strings.Cut(line, " ")
	if !found || host == "" {
		return entry{}, errors.New("it does not begin with a host")
	}
	_, rest, opened := strings.Cut(rest, "[")
	moment, rest, closed := strings.Cut(rest, "] \"")
	if !opened || !closed {
		return entry{}, errors.New("it has no time in brackets")
	}
	at, err := time.Parse(timeForm, moment)
	if err != nil {
		return entry{}, fmt.Errorf("`%s` is no time", moment)
	}
	asked, rest, closed := cutQuoted(rest)
	words := strings.Fields(asked)
	if !closed || len(words) < 2 {
		return entry{}, errors.New("it has no request in quotes")
	}
	numbers := strings.Fields(rest)
	if len(numbers) < 2 {
		return entry{}, errors.New("it has no status and size")
	}
	status, err := strconv.Atoi(numbers[0])
	if err != nil || status < 100 || status > 599 {
		return entry{}, fmt.Errorf("`%s` is no status", numbers[0])
	}
	size := int64(0)
	if numbers[1] != "-" {
		if size, err = strconv.ParseInt(numbers[1], 10, 64); err != nil || size < 0 {
			return entry{}, fmt.Errorf("`%s` is no size", numbers[1])
		}
	}
	path, _, _ := strings.Cut(words[1], "?")
	return entry{host, at, words[0], path, status, size}, nil
}

// cutQuoted cuts at the quote that ends a text; those with a backslash in front belong to it.
func cutQuoted(text string) (quoted, rest string, found bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[:i], text[i+1:], true
		}
	}
	return "", "", false
}
