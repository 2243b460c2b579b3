package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"gristmill"
	"gristmill/gristmilltest"
)

func text(of string) *string { return &of }

var files = []File{{Name: "a/ä.txt", Text: text("grist")}, {Name: "b.bin", Bytes: []byte{0, 255}}, {Name: "empty", Text: text("")}}

func pack(t *testing.T, request Request) (*gristmilltest.Host, Archive, error) {
	t.Helper()
	host := gristmilltest.New(t)
	packed, err := gristmilltest.Call(host, archive, gristmilltest.Job(host, request))
	return host, packed, err
}

func TestAZipHasTheFiles(t *testing.T) {
	host, packed, err := pack(t, Request{Format: "zip", Files: files})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := zip.NewReader(bytes.NewReader(packed.Bytes), int64(packed.Size))
	if err != nil || len(reader.File) != 3 {
		t.Fatal(reader, err)
	}
	opened, err := reader.Open("a/ä.txt")
	if err != nil {
		t.Fatal(err)
	}
	if content, _ := io.ReadAll(opened); string(content) != "grist" {
		t.Errorf("%s", content)
	}
	if packed.Unpacked != 7 || host.Progress[2] != 100.0 || host.Metrics[0].Value != 7 {
		t.Errorf("%+v %v %v", packed, host.Progress, host.Metrics)
	}
}

func TestATarHasTheFiles(t *testing.T) {
	_, packed, err := pack(t, Request{Format: "tar.gz", Files: files, At: time.Unix(1_000_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(packed.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	reader := tar.NewReader(unzipped)
	for _, file := range files {
		header, err := reader.Next()
		if err != nil || header.Name != file.Name || header.ModTime.Unix() != 1_000_000_000 {
			t.Error(header, err)
		}
	}
	if _, err := reader.Next(); err != io.EOF {
		t.Error(err)
	}
}

func TestTheSameFilesGiveTheSameArchive(t *testing.T) {
	for _, format := range []string{"zip", "tar.gz"} {
		_, first, _ := pack(t, Request{Format: format, Files: files})
		if _, second, err := pack(t, Request{Format: format, Files: files}); err != nil || first.SHA256 != second.SHA256 {
			t.Error(format, err)
		}
	}
}

func TestWhatCannotBePackedIsPermanent(t *testing.T) {
	cases := []struct{ data, message string }{
		{`{"format":"rar","files":[]}`, "`format` is `zip` or `tar.gz`, not `rar`"},
		{`{"format":"zip","files":[{"name":"../x","text":""}]}`, "at `files[0].name`: `../x` is no path inside the archive"},
		{`{"format":"zip","files":[{"name":"/x","text":""}]}`, "is no path inside"},
		{`{"format":"zip","files":[{"name":"a","text":""},{"name":"a","text":""}]}`, "at `files[1].name`: `a` is there twice"},
		{`{"format":"zip","files":[{"name":"a","bytes":"?"}]}`, "at `files[0].bytes`: expected a text in Base64"},
		{`{"format":"zip"}`, "missing field `files`"},
	}
	for _, c := range cases {
		_, err := gristmilltest.Call(gristmilltest.New(t), archive, gristmilltest.Text[Request](c.data))
		var end *gristmill.JobError
		if !errors.As(err, &end) || end.End != gristmill.EndPermanent || !strings.Contains(end.Message, c.message) {
			t.Errorf("%s: %v", c.data, err)
		}
	}
}

func TestItStopsWhenItsTimeIsUp(t *testing.T) {
	host := gristmilltest.New(t)
	host.Cancel()
	_, err := gristmilltest.Call(host, archive, gristmilltest.Job(host, Request{Format: "zip", Files: files}))
	if err == nil || !strings.Contains(err.Error(), "raise `timeout`") {
		t.Error(err)
	}
}
