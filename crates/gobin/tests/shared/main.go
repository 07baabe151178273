// A Go library for a C program (-buildmode=c-shared): how gobin's tests get at g in a process that is not Go's own.
package main

// void observe(void);
import "C"

// Enter calls back into C, from a goroutine on the calling thread.
//
//export Enter
func Enter() { C.observe() }

func main() {}
