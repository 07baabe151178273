//go:build cgo

package main

// static _Thread_local long thread_words[13];
// static long touch(void) { return ++thread_words[5]; }
import "C"

// cValue makes the C part live: its thread-local words move g's slot away from where a pure Go program has it.
func cValue() int { return int(C.touch()) }
