//go:build !go1.24

package main

import (
	"errors"
	"net/http"
)

// net/http itself knew no HTTP/2 without TLS before Go 1.24.
func allowH2C(*http.Server) error { return errors.New("-h2c needs a build by Go 1.24 or newer") }
