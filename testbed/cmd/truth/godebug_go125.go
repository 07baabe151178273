//go:build go1.25

//go:debug default=go1.25

package main

// The module's language version is 1.21, so that old toolchains take it; this
// line gives the server the runtime defaults that a module of its time has.
