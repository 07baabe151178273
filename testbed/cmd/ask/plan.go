package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// item is one line of a plan: so many requests alike.
//
//	COUNT METHOD PATH STATUS ROUTE [BODY...]
//
// COUNT "+n" are requests that the server makes to itself meanwhile: they are not
// sent, but expected; "*" are any number of such. PATH and BODY may hold %d, which is
// another number each time. ROUTE is what the report must call it; "=" is PATH.
// Several names that are right are parted by "|". A line "#..." is none.
type item struct {
	count  int
	self   bool // the server sends them
	any    bool // nobody knows how often
	method string
	path   string
	status int
	routes []string
	body   string
}

func readPlan(file string) ([]item, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var plan []item
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		w := strings.SplitN(line, " ", 6)
		if len(w) < 5 {
			return nil, fmt.Errorf("%s: not COUNT METHOD PATH STATUS ROUTE: %q", file, line)
		}
		any := w[0] == "*"
		if any {
			w[0] = "+0"
		}
		count, err1 := strconv.Atoi(w[0])
		status, err2 := strconv.Atoi(w[3])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%s: COUNT and STATUS are numbers: %q", file, line)
		}
		it := item{count: count, any: any, self: strings.HasPrefix(w[0], "+"), method: w[1], path: w[2], status: status, routes: strings.Split(w[4], "|")}
		if w[4] == "=" {
			it.routes = []string{strings.SplitN(w[2], "?", 2)[0]}
		}
		if len(w) == 6 {
			it.body = w[5]
		}
		plan = append(plan, it)
	}
	if len(plan) == 0 && lines.Err() == nil {
		return nil, fmt.Errorf("%s: no request in it", file)
	}
	return plan, lines.Err()
}

// numbered fills in the number.
func numbered(s string, n int) string { return strings.ReplaceAll(s, "%d", strconv.Itoa(n)) }
