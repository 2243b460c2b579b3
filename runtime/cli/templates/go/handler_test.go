package main

import (
	"testing"

	"gristmill/gristmilltest"
)

func TestGreets(t *testing.T) {
	host := gristmilltest.New(t)
	value, err := gristmilltest.Call(host, greet, gristmilltest.Job(host, Data{To: "Ada"}))
	if err != nil || value.Greeting != "Hello Ada" {
		t.Errorf("%v, %v", value, err)
	}
	if host.Logs[0].Message != "greeting Ada" {
		t.Errorf("%v", host.Logs)
	}
}

func TestGreetsNobody(t *testing.T) {
	host := gristmilltest.New(t)
	_, err := gristmilltest.Call(host, greet, gristmilltest.Text[Data](`{"to":""}`))
	if err == nil || err.Error() != "there is nobody to greet" {
		t.Error(err)
	}
}
