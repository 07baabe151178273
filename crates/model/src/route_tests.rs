//! Tests of route templates: what is accepted, what matches, which wins.

use super::*;

fn path(text: &str) -> Vec<(NodeKind, &str)> {
    text[1..]
        .split('/')
        .map(|t| match t {
            "<wild>" => (NodeKind::Wild, ""),
            "<rest>" => (NodeKind::CatchAll, ""),
            _ => (NodeKind::Literal, t),
        })
        .collect()
}

fn winner(routes: &[&str], method: &str, of: &str) -> Option<String> {
    let routes: Vec<Route> = routes.iter().map(|r| Route::parse(r).unwrap()).collect();
    best(&routes, method, &path(of)).map(|r| r.template().to_string())
}

#[test]
fn what_users_may_give() {
    for (text, method, template) in [
        ("/", None, "/"),
        ("/api/users/{id}", None, "/api/users/{id}"),
        ("GET /api/users/{id}", Some("GET"), "/api/users/{id}"),
        (" POST\t/x/ ", Some("POST"), "/x/"),
        ("/static/{path...}", None, "/static/{path...}"),
        ("/tree/{$}", None, "/tree/"),
        ("/a/{id}/b/{id}", None, "/a/{id}/b/{id}"),
    ] {
        let route = Route::parse(text).unwrap();
        assert_eq!(
            (route.method(), &**route.template()),
            (method, template),
            "{text}"
        );
    }
}

#[test]
fn what_is_refused_and_how() {
    for (text, says) in [
        ("", "must start with `/`"),
        ("api/users", "must start with `/`"),
        ("example.com/x", "must start with `/`"),
        ("get /x", "`get` is not an HTTP method"),
        ("/a/{id", "unbalanced braces in `{id`"),
        ("/a/id}", "unbalanced braces in `id}`"),
        ("/a/}{", "unbalanced braces"),
        ("/a/{{id}}", "must be the whole segment"),
        (
            "/a/x-{id}",
            "in `x-{id}` the placeholder must be the whole segment",
        ),
        ("/a/{id}.json", "must be the whole segment"),
        ("/a/{x}{y}", "must be the whole segment"),
        (
            "/a/{}",
            "`{}` is not a placeholder; write `{id}` or `{path...}`",
        ),
        ("/a/{...}", "is not a placeholder"),
        ("/a/{x y}", "` ` cannot be part"),
        ("/a/{path...}/b", "`{path...}` can only be the last"),
        ("/a/{$}/b", "`{$}` can only be the last"),
        ("/a//b", "empty segment"),
        ("/a?x=1", "`?` cannot be part"),
        ("/a\u{1b}", "\\u{1b}"),
    ] {
        let error = Route::parse(text).expect_err(text).to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn the_most_specific_wins() {
    let routes = [
        "/{path...}",
        "/api/{x}",
        "/api/me",
        "/api/{x}/{y}",
        "/api/{rest...}",
    ];
    for (of, template) in [
        ("/api/me", Some("/api/me")),
        ("/api/you", Some("/api/{x}")),
        ("/api/<wild>", Some("/api/{x}")),
        ("/api/", Some("/api/{rest...}")),
        ("/api/a/b", Some("/api/{x}/{y}")),
        ("/api/a/b/c", Some("/api/{rest...}")),
        ("/api/<rest>", Some("/api/{rest...}")),
        ("/other", Some("/{path...}")),
    ] {
        assert_eq!(winner(&routes, "GET", of).as_deref(), template, "{of}");
    }
    assert_eq!(winner(&["/a/{x}"], "GET", "/a"), None);
    assert_eq!(winner(&["/a/{x}"], "GET", "/a/"), None);
    assert_eq!(winner(&["/a/b"], "GET", "/a/<wild>"), None);
    assert_eq!(winner(&["/a/{x...}"], "GET", "/a"), None);
    assert_eq!(
        winner(&["/x/"], "GET", "/x/y"),
        None,
        "a trailing slash is no catch-all"
    );
}

#[test]
fn methods() {
    let routes = ["/a/{any}", "PUT /a/{put}"];
    assert_eq!(winner(&routes, "PUT", "/a/1").as_deref(), Some("/a/{put}"));
    assert_eq!(winner(&routes, "GET", "/a/1").as_deref(), Some("/a/{any}"));
    assert_eq!(winner(&["PUT /a"], "GET", "/a"), None);
}

#[test]
fn templates_of_routers() {
    for (template, of, fits) in [
        ("GET /api/users/{id}", "/api/users/alice", true),
        ("example.com/x/{id}", "/x/7", true),
        ("/users/:id/posts", "/users/bob/posts", true),
        ("/assets/*filepath", "/assets/a/b.js", true),
        ("/assets/*", "/assets/a", true),
        ("/n/{id:[0-9]+}", "/n/<wild>", true),
        ("/p/{rest:[^/]+}/x", "/p/q/x", true),
        ("/f/{name}.json", "/f/report.json", true),
        ("/f/{name}.json", "/f/report.xml", false),
        ("/f/{name}.json", "/f/.json", false),
        ("/static/", "/static/a/b", true),
        ("/static/", "/statics/a", false),
        ("/", "/anything", false),
        ("/tree/{$}", "/tree/", true),
        ("", "/", true),
    ] {
        let route = Route::learned(template, path(of).len());
        assert_eq!(route.matches("GET", &path(of)), fits, "{template} {of}");
    }
    assert_eq!(&**Route::learned("GET /tree/{$}", 2).template(), "/tree/");
    assert_eq!(&**Route::learned("host/x/{id}", 2).template(), "/x/{id}");
}

#[test]
fn literals_for_the_tracer() {
    let route = Route::parse("/a/{id}/2024/{rest...}").unwrap();
    assert_eq!(
        route.literals(),
        (vec![Some("a"), None, Some("2024")], true)
    );
}
