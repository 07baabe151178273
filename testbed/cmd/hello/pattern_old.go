//go:build !go1.22

package main

// ServeMux had no placeholders before Go 1.22; a subtree is the nearest.
const slugPattern = "/s/"
