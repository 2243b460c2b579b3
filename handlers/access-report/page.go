package main

import (
	"fmt"
	"html/template"
	"strings"
)

// page escapes what comes from the log, each by the place where it stands.
var page = template.Must(template.New("page").Funcs(template.FuncMap{"share": share, "bytes": size}).Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{.Title}}</title>
<h1>{{.Title}}</h1>
<p>{{.Requests}} requests from {{.Hosts}} hosts, {{bytes .Bytes}}; {{share .Errors}} failed.
A response has {{bytes .Median}}, one in a hundred more than {{bytes .P99}}.</p>
{{if .Unread}}<p>{{.Unread}} lines could not be read.</p>{{end}}
<table>
<tr><th>Path<th>Requests<th>Bytes<th>Failed
{{range .Paths}}<tr><td><a href="{{.Path}}">{{.Path}}</a><td>{{.Requests}}<td>{{bytes .Bytes}}<td>{{.Errors}}
{{end}}</table>
<table>
<tr><th>Hour<th>Requests
{{range .Hours}}<tr><td>{{.Begins.Format "2006-01-02 15:04"}}<td><meter max="{{$.Requests}}" value="{{.Requests}}"></meter> {{.Requests}}
{{end}}</table>
</html>
`))

// render makes the page.
func render(title string, figures Figures) (string, error) {
	if title == "" {
		title = "Access report"
	}
	var made strings.Builder
	err := page.Execute(&made, struct {
		Title string
		Figures
	}{title, figures})
	return made.String(), err
}

func share(of float64) string { return fmt.Sprintf("%.1f %%", of*100) }

func size(count int64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if count < 10<<10 {
			return fmt.Sprintf("%d %s", count, unit)
		}
		count >>= 10
	}
	return fmt.Sprintf("%d GiB", count)
}
