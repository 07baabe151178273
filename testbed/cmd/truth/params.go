package main

import (
	m "gostall/testbed/internal/marker"
	"gostall/testbed/internal/paths"
)

// paramEndpoints have paths with parts that vary, next to literal paths that
// only look as if they did.
func paramEndpoints() []*endpoint {
	do := func(c *call) {
		c.marks()
		c.answer()
	}
	out := []*endpoint{
		{method: "GET", route: "/api/users/{id}", serve: do, steps: []step{{m.Getuid, 3}, {m.Getgid, 1}}},
		{method: "PUT", route: "/api/users/{id}", serve: do, steps: []step{{m.Getuid, 5}}},
		{method: "PATCH", route: "/api/users/{id}", serve: do, steps: []step{{m.Getuid, 7}}},
		{method: "DELETE", route: "/api/users/{id}", serve: bare(204), steps: []step{{m.Getuid, 2}, {m.Geteuid, 2}}},
		{method: "GET", route: "/api/users", serve: do, steps: []step{{m.Geteuid, 3}}},
		{method: "POST", route: "/api/users", serve: with(201), steps: []step{{m.Geteuid, 5}}},
		{method: "GET", route: "/api/users/{id}/orders", serve: do, steps: []step{{m.Geteuid, 7}}},
		{method: "GET", route: "/api/users/{id}/orders/{id}", pattern: "/api/users/{user}/orders/{order}", serve: do,
			steps: []step{{m.Getgid, 5}}},
		{method: "GET", route: "/api/orders/{id}", pattern: "/api/orders/{uuid}", serve: do, steps: []step{{m.Getgid, 7}}},
		{method: "GET", route: "/api/blobs/{id}", pattern: "/api/blobs/{sha256}", serve: do, steps: []step{{m.Getgid, 2}, {m.Getppid, 2}}},
		{method: "GET", route: "/api/commits/{id}", pattern: "/api/commits/{sha}", serve: do, steps: []step{{m.Getppid, 3}}},
		{method: "GET", route: "/api/reports/{date}", pattern: "/api/reports/{day}", serve: do, steps: []step{{m.Getppid, 5}}},
		{method: "GET", route: "/blog/{slug}", serve: do, steps: []step{{m.Getegid, 3}}},
		{method: "GET", route: "/api/v1/items", serve: do, steps: []step{{m.Getegid, 5}}},
		{method: "GET", route: "/api/v2/items", serve: do, steps: []step{{m.Getegid, 7}}},
		{method: "GET", route: "/api/v1/items/{id}", serve: do, steps: []step{{m.Getegid, 2}, {m.Getresgid, 2}}},
		{method: "GET", route: "/api/v2/items/{id}", serve: do, steps: []step{{m.Getresgid, 3}}},
		{method: "GET", route: "/tree", serve: do, steps: []step{{m.Getresgid, 5}}},
		{method: "GET", route: "/tree/", pattern: "/tree/{$}", serve: do, steps: []step{{m.GetsidESRCH, 3}}},
		{method: "GET", route: "/search", serve: do, steps: []step{{m.GetsidESRCH, 7}}},
		{method: "GET", route: "/health", serve: do, steps: []step{{m.Getsid, 3}}},
	}
	// Literal siblings: words that are endpoints of their own, not slugs.
	for i := 0; i < paths.Literals; i++ {
		out = append(out, &endpoint{
			method: "GET", route: paths.Literal(i), serve: do, steps: []step{{m.Getsid, 2 + i%5}, {m.SymlinkatEEXIST, 1 + i%3}},
		})
	}
	return out
}
