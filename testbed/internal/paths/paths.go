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
