// Package typed reads and writes JSON as Go's types, and says where a text does not fit one.
package typed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// Read makes a value of JSON text. Beyond what [encoding/json] checks, a field that may not be left out must be there:
// all that are no pointers and have neither `omitempty` nor `omitzero`. The error names the place of what does not fit.
func Read(text []byte, into any) error {
	kind := reflect.TypeOf(into).Elem()
	failed := json.Unmarshal(text, into)
	var syntax *json.SyntaxError
	if errors.As(failed, &syntax) {
		line, column := position(text, syntax.Offset)
		return fmt.Errorf("%w at line %d column %d", syntax, line, column)
	}
	if failed == nil && !planOf(kind).strict {
		return nil
	}
	if misfit := check(text, kind); misfit != nil {
		return misfit
	}
	return failed
}

// position is the line and column of an offset in a text, both from 1.
func position(text []byte, offset int64) (line, column int) {
	before := text[:min(max(offset-1, 0), int64(len(text)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

// Write makes JSON text of a value, with `<`, `>` and `&` as they are.
func Write(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}
