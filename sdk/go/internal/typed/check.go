package typed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Misfit is a text that does not fit a type.
type Misfit struct {
	// Place is such as `items[1].name`; empty for the whole text.
	Place string
	// Problem is such as `expected a number, found "two"`.
	Problem string
}

// Error has the place in front.
func (m *Misfit) Error() string {
	if m.Place == "" {
		return m.Problem
	}
	return fmt.Sprintf("at `%s`: %s", m.Place, m.Problem)
}

// checker walks through JSON text that is known to be valid.
type checker struct {
	text  []byte
	at    int
	place []byte
}

// check finds the first place where valid JSON text does not fit a type.
func check(text []byte, kind reflect.Type) error {
	walk := checker{text: text}
	if misfit := walk.value(planOf(kind)); misfit != nil {
		return misfit
	}
	return nil
}

func (c *checker) value(p *plan) *Misfit {
	for p.form == pointed && c.peek() != 'n' {
		p = p.item
	}
	if p.form == anything {
		c.skip()
		return nil
	}
	switch first := c.peek(); {
	case first == 'n':
		if p.nullable {
			c.skip()
			return nil
		}
	case first == '{' && p.form == object:
		return c.object(p)
	case first == '{' && p.form == mapping:
		return c.mapping(p)
	case first == '[' && p.form == array:
		return c.array(p)
	case first == '"' && p.form == text:
		c.skip()
		return nil
	case first == '"' && (p.form == moment || p.form == bytesText):
		return c.parsed(p)
	case (first == 't' || first == 'f') && p.form == boolean:
		c.skip()
		return nil
	case first == '-' || (first >= '0' && first <= '9'):
		if p.form == number || p.form == whole {
			return c.number(p)
		}
	}
	return c.wrong(p)
}

// wrong is the misfit of the value that is next.
func (c *checker) wrong(p *plan) *Misfit {
	return c.misfit("expected %s, found %s", p.expected(), c.found())
}

func (c *checker) misfit(format string, arguments ...any) *Misfit {
	return &Misfit{string(c.place), fmt.Sprintf(format, arguments...)}
}

// maxFound is how much of a value an error shows, in bytes.
const maxFound = 60

// found says what is next.
func (c *checker) found() string {
	switch c.peek() {
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	begin := c.at
	c.skip()
	shown := string(c.text[begin:c.at])
	if len(shown) > maxFound {
		shown = strings.ToValidUTF8(shown[:maxFound], "") + "…"
	}
	return shown
}

// expected says what a type wants.
func (p *plan) expected() string {
	switch p.form {
	case boolean:
		return "true or false"
	case whole:
		return "a whole number"
	case number:
		return "a number"
	case text:
		return "a text"
	case moment:
		return "a time as RFC 3339 has it"
	case bytesText:
		return "a text in Base64"
	case array:
		if p.length >= 0 {
			return fmt.Sprintf("an array of %d", p.length)
		}
		return "an array"
	case pointed:
		return p.item.expected()
	default:
		return "an object"
	}
}

func (c *checker) number(p *plan) *Misfit {
	begin := c.at
	c.skip()
	digits := string(c.text[begin:c.at])
	bits := 64
	if p.form == whole {
		bits = p.bits
	} else if p.kind.Kind() == reflect.Float32 {
		bits = 32
	}
	var err error
	switch {
	case p.form == number && p.kind == numType:
	case p.form == number:
		_, err = strconv.ParseFloat(digits, bits)
	case p.signed:
		_, err = strconv.ParseInt(digits, 10, bits)
	default:
		_, err = strconv.ParseUint(digits, 10, bits)
	}
	if err == nil {
		return nil
	}
	if strings.ContainsAny(digits, ".eE") && p.form == whole {
		return c.misfit("expected a whole number, found %s", digits)
	}
	return c.misfit("%s is not in the range of %s", digits, p.kind.Kind())
}

// parsed checks a text that encoding/json turns into something else.
func (c *checker) parsed(p *plan) *Misfit {
	begin := c.at
	c.skip()
	value := reflect.New(p.kind)
	if err := json.Unmarshal(c.text[begin:c.at], value.Interface()); err != nil {
		c.at = begin
		return c.wrong(p)
	}
	return nil
}

func (c *checker) object(p *plan) *Misfit {
	length := len(c.place)
	var seen [64]bool
	misfit := c.members(func(name string) *Misfit {
		index := p.field(name)
		if index < 0 {
			c.skip()
			return nil
		}
		if index < len(seen) {
			seen[index] = true
		}
		if length > 0 {
			c.place = append(c.place, '.')
		}
		c.place = append(c.place, p.fields[index].name...)
		return c.value(p.fields[index].plan)
	}, length)
	if misfit != nil {
		return misfit
	}
	for i, field := range p.fields[:min(len(p.fields), len(seen))] {
		if field.required && !seen[i] {
			return c.misfit("missing field `%s`", field.name)
		}
	}
	return nil
}

func (c *checker) mapping(p *plan) *Misfit {
	length := len(c.place)
	return c.members(func(name string) *Misfit {
		c.place = append(strconv.AppendQuote(append(c.place, '['), name), ']')
		return c.value(p.item)
	}, length)
}

// members calls `each` before every member's value, and cuts the place to `length` after it.
func (c *checker) members(each func(name string) *Misfit, length int) *Misfit {
	c.peek()
	c.at++
	for c.peek() != '}' {
		if c.text[c.at] == ',' {
			c.at++
			continue
		}
		begin := c.at
		c.peek()
		c.skip()
		name := unquoted(c.text[begin:c.at])
		c.peek() // the colon
		c.at++
		c.peek()
		if misfit := each(name); misfit != nil {
			return misfit
		}
		c.place = c.place[:length]
	}
	c.at++
	return nil
}

func (c *checker) array(p *plan) *Misfit {
	length, count := len(c.place), 0
	c.at++
	for c.peek() != ']' {
		if c.text[c.at] == ',' {
			c.at++
			continue
		}
		c.place = append(strconv.AppendInt(append(c.place, '['), int64(count), 10), ']')
		if misfit := c.value(p.item); misfit != nil {
			return misfit
		}
		c.place = c.place[:length]
		count++
	}
	c.at++
	if p.length >= 0 && count != p.length {
		return c.misfit("expected an array of %d, found %d", p.length, count)
	}
	return nil
}

func unquoted(name []byte) string {
	if plain := name[1 : len(name)-1]; bytes.IndexByte(plain, '\\') < 0 {
		return string(plain)
	}
	var made string
	if json.Unmarshal(name, &made) != nil {
		return ""
	}
	return made
}

// peek is the first byte of what is next, 0 at the end.
func (c *checker) peek() byte {
	for c.at < len(c.text) {
		switch first := c.text[c.at]; first {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return first
		}
	}
	return 0
}

// skip passes over one value.
func (c *checker) skip() {
	depth := 0
	for first := c.peek(); first != 0; first = c.peek() {
		switch first {
		case '"':
			c.skipText()
		case '{', '[':
			depth++
			c.at++
		case '}', ']':
			depth--
			c.at++
		case ',', ':':
			c.at++
			continue
		default:
			for c.at < len(c.text) && strings.IndexByte(",:]} \t\r\n", c.text[c.at]) < 0 {
				c.at++
			}
		}
		if depth <= 0 {
			return
		}
	}
}

func (c *checker) skipText() {
	c.at++
	for c.at < len(c.text) {
		next := bytes.IndexAny(c.text[c.at:], `"\`)
		if next < 0 {
			c.at = len(c.text)
			return
		}
		c.at += next + 1
		if c.text[c.at-1] == '"' {
			return
		}
		c.at++
	}
}
