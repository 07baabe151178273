// Package paths makes the URL paths that servers register and clients ask for,
// so that both sides agree without talking.
package paths

import (
	"fmt"
	"strconv"
)

// Grid is the i-th of the numbered literal endpoints: /e/a00/b00, /e/a00/b01, ...
// A hundred to a row, so that no level of the tree is wider than that.
func Grid(i int) string {
	return fmt.Sprintf("/e/a%02d/b%02d", i/100, i%100)
}

// words are plain English; a path segment made of them looks like a slug.
var words = []string{
	"amber", "basil", "cedar", "delta", "ember", "fable", "grove", "haven",
	"indigo", "jasper", "kelp", "lunar", "maple", "nectar", "olive", "pebble",
	"quartz", "river", "saffron", "tundra", "umber", "velvet", "willow", "xenon",
	"yarrow", "zephyr", "anchor", "bridge", "candle", "drift", "echo", "falcon",
}

// Slug is the i-th of an endless row of distinct slugs: amber-amber, basil-amber, ...
// The first 1024 hold words only; those after end in a number, as blogs do.
func Slug(i int) string {
	n := len(words)
	s := words[i%n] + "-" + words[i/n%n]
	if rest := i / (n * n); rest > 0 {
		s += "-" + strconv.Itoa(rest)
	}
	return s
}

// Word is the i-th single word; they repeat after 32.
func Word(i int) string { return words[i%len(words)] }

// Secret stands at the head of every secret value that the driver puts into a
// query string or a header. No report may ever hold it.
const Secret = "s3cr3t-4f1d"

// StaticFiles is the number of files in the served tree.
const StaticFiles = 60

// Static is the i-th file of the served tree, at one of several depths.
func Static(i int) string {
	i %= StaticFiles
	switch i % 3 {
	case 0:
		return fmt.Sprintf("/static/css/%s.css", words[i%len(words)]+strconv.Itoa(i))
	case 1:
		return fmt.Sprintf("/static/js/vendor/%s.%08x.js", words[i%len(words)], uint32(i)*2654435761)
	}
	return fmt.Sprintf("/static/%s%d.txt", words[i%len(words)], i)
}

// Literals is the number of literal endpoints that stand next to each other.
const Literals = 30

// Literal is the i-th of them: a word that is an endpoint, not a value.
func Literal(i int) string { return "/admin/" + words[i%len(words)] }
