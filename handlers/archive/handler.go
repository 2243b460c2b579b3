// Packs texts and files into a zip, or a tar compressed with gzip.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"strings"
	"time"

	"gristmill"
	"gristmill/metrics"
	"gristmill/progress"
)

// Request is what producers send.
type Request struct {
	// Format is `zip`, or `tar.gz`.
	Format string `json:"format"`
	Files  []File `json:"files"`
	// At is the time that all files get, so that the same files give the same archive.
	At time.Time `json:"at,omitzero"`
}

// File has a text, or bytes in Base64.
type File struct {
	Name  string  `json:"name"`
	Text  *string `json:"text"`
	Bytes []byte  `json:"bytes,omitempty"`
}

// Archive is what the job returns.
type Archive struct {
	Bytes    []byte `json:"bytes"`
	Size     int    `json:"size"`
	Unpacked int    `json:"unpacked"`
	SHA256   string `json:"sha256"`
}

// packer is what both formats do.
type packer interface {
	add(name string, content []byte, at time.Time) error
	close() error
}

func archive(ctx gristmill.Context, job gristmill.Job[Request]) (Archive, error) {
	request := job.Data
	var packed bytes.Buffer
	var to packer
	switch request.Format {
	case "zip":
		to = zipped{zip.NewWriter(&packed)}
	case "tar.gz":
		compressed := gzip.NewWriter(&packed)
		to = tarred{compressed, tar.NewWriter(compressed)}
	default:
		return Archive{}, gristmill.Permanentf("`format` is `zip` or `tar.gz`, not `%s`", request.Format).WithCode("bad-format")
	}
	unpacked, seen := 0, map[string]bool{}
	for i, file := range request.Files {
		if ctx.Cancelled() {
			return Archive{}, gristmill.Retryablef("stopped after %d files: time is up; raise `timeout`", i).WithCode("out-of-time")
		}
		if why := unfit(file.Name, seen); why != "" {
			return Archive{}, gristmill.Permanentf("at `files[%d].name`: `%s` %s", i, file.Name, why).WithCode("bad-name")
		}
		content := file.Bytes
		if file.Text != nil {
			content = []byte(*file.Text)
		}
		if err := to.add(file.Name, content, request.At); err != nil {
			return Archive{}, err
		}
		unpacked += len(content)
		progress.Report(ctx, uint64(i+1), uint64(len(request.Files)))
	}
	if err := to.close(); err != nil {
		return Archive{}, err
	}
	metrics.Counter(ctx, "archived_bytes", uint64(unpacked), metrics.Labels{"format": request.Format})
	sum := sha256.Sum256(packed.Bytes())
	return Archive{packed.Bytes(), packed.Len(), unpacked, hex.EncodeToString(sum[:])}, nil
}

// unfit says why no file may have this name: whoever unpacks the archive would write elsewhere, or over another file.
func unfit(name string, seen map[string]bool) string {
	switch {
	case name == "" || strings.HasPrefix(name, "/") || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../"):
		return "is no path inside the archive"
	case strings.ContainsAny(name, "\\\x00"):
		return "has characters that not every system has in names"
	case seen[name]:
		return "is there twice"
	}
	seen[name] = true
	return ""
}

type zipped struct{ *zip.Writer }

func (z zipped) add(name string, content []byte, at time.Time) error {
	file, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at})
	if err == nil {
		_, err = file.Write(content)
	}
	return err
}

func (z zipped) close() error { return z.Close() }

type tarred struct {
	compressed io.Closer
	*tar.Writer
}

func (t tarred) add(name string, content []byte, at time.Time) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: at}); err != nil {
		return err
	}
	_, err := t.Write(content)
	return err
}

func (t tarred) close() error {
	if err := t.Close(); err != nil {
		return err
	}
	return t.compressed.Close()
}

func init() { gristmill.Handle(archive) }

func main() { gristmill.Main() }
