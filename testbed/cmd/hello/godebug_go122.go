//go:build go1.22 && !go1.23

//go:debug httpmuxgo121=0

package main

// The module's language version is 1.21, so that old toolchains take it; without
// this line a Go 1.22 would therefore give ServeMux its 1.21 patterns.
