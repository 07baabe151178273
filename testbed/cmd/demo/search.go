package main

import (
	"net"
	"net/http"
	"strings"
	"time"
)

// startSearchService starts the slow service that /api/search calls, and tells
// its address. It lives in this process only so that the demo is one command.
func startSearchService() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	handle(mux, "GET", "/index", func(w http.ResponseWriter, r *http.Request) {
		pause := 15 * time.Millisecond
		// One word is not in the cache.
		if strings.Contains(r.URL.RawQuery, "rare") {
			pause = 250 * time.Millisecond
		}
		time.Sleep(pause)
		reply(w, 200, map[string][]string{"found": {"item-1", "item-2"}})
	})
	go http.Serve(l, mux)
	return l.Addr().String(), nil
}
