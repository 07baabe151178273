//go:build go1.22

package main

const slugPattern = "/s/{slug}"
