// Package routes is what server and driver agree on: the routes that every
// framework gets, and the paths that are asked for.
package routes

import (
	"fmt"
	"math/rand"
	"net/http"
	"strings"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/paths"
)

// Frameworks are the values of -framework.
var Frameworks = []string{"mux", "mux-nested", "gin", "chi", "echo", "gorilla", "httprouter", "fiber", "fasthttp"}

// Route is one endpoint. Template is in the form of ServeMux: {name}, {name...}.
type Route struct {
	Method   string
	Template string
	Status   int
	Host     string // only for this Host, where the router can tell
	// Group is the prefix of the router that this one is mounted in.
	Group string
	Path  func(*rand.Rand) string
}

// Endpoint is what a report must call it.
func (r *Route) Endpoint() string { return r.Template }

// Body is what the handler answers.
func (r *Route) Body() string {
	if r.Status == http.StatusNoContent {
		return ""
	}
	return r.Method + " " + r.Template + "\n"
}

// Partial tells whether a framework's placeholders may be a part of a segment.
func Partial(framework string) bool {
	switch framework {
	case "chi", "gorilla", "fiber", "fasthttp":
		return true
	}
	return false
}

// Of are the routes of a framework.
func Of(framework string) []*Route {
	id := func(r *rand.Rand) int { return 1 + r.Intn(1_000_000) }
	word := func(r *rand.Rand) string { return paths.Word(r.Intn(32)) }
	same := func(path string) func(*rand.Rand) string { return func(*rand.Rand) string { return path } }
	with := func(format string) func(*rand.Rand) string {
		return func(r *rand.Rand) string {
			if strings.Count(format, "%d") == 2 {
				return fmt.Sprintf(format, id(r), id(r))
			}
			return fmt.Sprintf(format, id(r))
		}
	}
	file := func(r *rand.Rand) string {
		depth := 1 + r.Intn(4)
		p := "/files"
		for ; depth > 0; depth-- {
			p += "/" + word(r)
		}
		return fmt.Sprintf("%s%d.txt", p, r.Intn(1000))
	}
	all := []*Route{
		{Method: "GET", Template: "/", Path: same("/")},
		{Method: "GET", Template: "/health", Path: same("/health")},
		{Method: "GET", Template: "/users", Path: same("/users")},
		{Method: "POST", Template: "/users", Status: 201, Path: same("/users")},
		{Method: "GET", Template: "/users/{id}", Path: with("/users/%d")},
		{Method: "PUT", Template: "/users/{id}", Path: with("/users/%d")},
		{Method: "DELETE", Template: "/users/{id}", Status: 204, Path: with("/users/%d")},
		{Method: "GET", Template: "/users/{id}/posts/{post}", Path: with("/users/%d/posts/%d")},
		{Method: "GET", Template: "/orders/{id}", Path: with("/orders/%d")},
		// Values that look like names: only the router knows that they are one endpoint.
		{Method: "GET", Template: "/teams/{name}", Path: func(r *rand.Rand) string { return "/teams/" + word(r) }},
		{Method: "GET", Template: "/teams/{name}/members", Path: func(r *rand.Rand) string { return "/teams/" + word(r) + "/members" }},
		{Method: "GET", Template: "/files/{path...}", Path: file},
		{Method: "GET", Template: "/dir/", Path: same("/dir/")},
		{Method: "GET", Template: "/broken", Status: 500, Path: same("/broken")},
		{Method: "GET", Template: "/api/v1/items", Group: "/api/v1", Path: same("/api/v1/items")},
		{Method: "GET", Template: "/api/v1/items/{id}", Group: "/api/v1", Path: with("/api/v1/items/%d")},
		{Method: "POST", Template: "/api/v1/items/{id}/publish", Group: "/api/v1", Path: with("/api/v1/items/%d/publish")},
		{Method: "GET", Template: "/api/v2/items", Group: "/api/v2", Path: same("/api/v2/items")},
		{Method: "GET", Template: "/api/v2/items/{name}", Group: "/api/v2", Path: func(r *rand.Rand) string { return "/api/v2/items/" + word(r) }},
	}
	period := "/reports/{period}"
	if Partial(framework) {
		period = "/reports/{year}-{month}"
	}
	all = append(all, &Route{Method: "GET", Template: period, Path: func(r *rand.Rand) string {
		return fmt.Sprintf("/reports/%d-%02d", 2000+r.Intn(30), 1+r.Intn(12))
	}})
	if framework != "fasthttp" { // whose router takes only one of the two
		all = append(all, &Route{Method: "GET", Template: "/dir", Path: same("/dir")})
	}
	if strings.HasPrefix(framework, "mux") {
		all = append(all, &Route{Method: "GET", Template: "/hosted/{id}", Host: "other.example", Path: with("/hosted/%d")})
	}
	for _, r := range all {
		if r.Status == 0 {
			r.Status = 200
		}
	}
	return all
}

// Unmatched are requests which no router has a handler for.
func Unmatched(framework string) []*Route {
	notAllowed := 405
	if framework == "gorilla" {
		notAllowed = 404 // below a sub-router, whose neighbour does not match at all
	}
	none := func(method string, status int, path func(*rand.Rand) string) *Route {
		return &Route{Method: method, Template: doc.Unmatched, Status: status, Path: path}
	}
	return []*Route{
		none("GET", 404, func(r *rand.Rand) string { return fmt.Sprintf("/nowhere/%d", r.Intn(1e6)) }),
		none("GET", 404, func(r *rand.Rand) string { return "/" + paths.Word(r.Intn(32)) + ".php" }),
		none("POST", 405, func(*rand.Rand) string { return "/health" }),
		none("PUT", notAllowed, func(r *rand.Rand) string { return fmt.Sprintf("/api/v1/items/%d", r.Intn(1e6)) }),
	}
}
