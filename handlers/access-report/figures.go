package main

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Figures are those of a log.
type Figures struct {
	Requests int   `json:"requests"`
	Unread   int   `json:"unread"`
	Hosts    int   `json:"hosts"`
	Bytes    int64 `json:"bytes"`
	// Median and P99 are bytes of a response.
	Median int64 `json:"median"`
	P99    int64 `json:"p99"`
	// Errors is the share of responses with a status of 500 and more.
	Errors   float64        `json:"errors"`
	Statuses map[string]int `json:"statuses"`
	Paths    []Path         `json:"paths"`
	Hours    []Hour         `json:"hours"`
}

// Path is one that was asked for.
type Path struct {
	Path     string `json:"path"`
	Requests int    `json:"requests"`
	Bytes    int64  `json:"bytes"`
	Errors   int    `json:"errors"`
}

// Hour is one with requests, in UTC.
type Hour struct {
	Begins   time.Time `json:"begins"`
	Requests int       `json:"requests"`
}

type counter struct {
	requests, failed int
	bytes            int64
	sizes            []int64
	hosts            map[string]bool
	statuses         map[string]int
	paths            map[string]*Path
	hours            map[int64]int
}

func newCounter() *counter {
	return &counter{hosts: map[string]bool{}, statuses: map[string]int{}, paths: map[string]*Path{}, hours: map[int64]int{}}
}

func (c *counter) add(seen entry) {
	c.requests++
	c.bytes += seen.bytes
	c.sizes = append(c.sizes, seen.bytes)
	c.hosts[seen.host] = true
	c.statuses[strconv.Itoa(seen.status)]++
	c.hours[seen.at.Unix()/3600]++
	path := c.paths[seen.path]
	if path == nil {
		path = &Path{Path: seen.path}
		c.paths[seen.path] = path
	}
	path.Requests++
	path.Bytes += seen.bytes
	if seen.status >= 500 {
		path.Errors++
		c.failed++
	}
}

func (c *counter) figures(top int) Figures {
	made := Figures{Requests: c.requests, Hosts: len(c.hosts), Bytes: c.bytes, Statuses: c.statuses, Paths: []Path{}, Hours: []Hour{}}
	if c.requests == 0 {
		return made
	}
	slices.Sort(c.sizes)
	made.Median = c.sizes[(len(c.sizes)-1)/2]
	made.P99 = c.sizes[(len(c.sizes)-1)*99/100]
	made.Errors = float64(c.failed) / float64(c.requests)
	for _, path := range c.paths {
		made.Paths = append(made.Paths, *path)
	}
	slices.SortFunc(made.Paths, func(a, b Path) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Path, b.Path))
	})
	made.Paths = made.Paths[:min(top, len(made.Paths))]
	for _, hour := range slices.Sorted(maps.Keys(c.hours)) {
		made.Hours = append(made.Hours, Hour{time.Unix(hour*3600, 0).UTC(), c.hours[hour]})
	}
	return made
}
