//! Whose label wins: the user's routes, the router's templates, and what no route matched at all.

mod support;

use gostall_model::Route;
use support::{Kernel, WORDS, names, slug};

#[test]
fn a_scanner_proves_nothing() {
    let mut k = Kernel::default();
    for word in &WORDS[..10] {
        k.get(&format!("/{word}"), 100);
    }
    for i in 0..5000 {
        k.unrouted("GET", &format!("/{}.php", slug(i, "_")), 1);
        k.unrouted("GET", &format!("/wp-{i}"), 1);
    }
    k.unrouted("POST", "/xmlrpc.php", 3);
    let mut wanted: Vec<(String, u64)> = WORDS[..10]
        .iter()
        .map(|word| (format!("GET /{word}"), 100))
        .collect();
    wanted.push(("GET (unmatched)".to_owned(), 10_000));
    wanted.push(("POST (unmatched)".to_owned(), 3));
    wanted.sort();
    assert_eq!(k.endpoints(), wanted);
}

#[test]
fn a_shape_that_only_a_scanner_asked_for_proves_nothing() {
    let mut k = Kernel::default();
    k.get("/backup-7", 10);
    for i in 1..6 {
        k.unrouted("GET", &format!("/backup-{i}0"), 1);
    }
    assert_eq!(k.routes(), ["GET (unmatched)", "GET /backup-7"]);
}

#[test]
fn a_scanner_whose_404_is_the_programs_own() {
    let mut k = Kernel::default();
    for word in &WORDS[..10] {
        k.get(&format!("/{word}"), 100);
    }
    for i in 0..5000 {
        k.answer("GET", &format!("/{}.php", slug(i, "_")), 404, 1);
    }
    assert_eq!(k.routes().len(), 11, "{:?}", k.routes());
    assert!(k.routes().contains(&"GET /{id}".to_owned()));
}

#[test]
fn not_found_of_an_endpoint_stays_with_it() {
    let mut k = Kernel::default();
    for i in 0..60 {
        k.get(&format!("/users/{}", slug(i * 41, "")), 3);
        // The handler itself uses http.NotFound: the same answer as the router's.
        k.unrouted("GET", &format!("/users/no{}", slug(i * 41, "")), 1);
    }
    k.get("/things", 5);
    k.unrouted("GET", "/things", 2);
    k.unrouted("DELETE", "/things", 4);
    assert_eq!(
        k.endpoints(),
        [
            ("DELETE (unmatched)".to_owned(), 4),
            ("GET /things".to_owned(), 7),
            ("GET /users/{id}".to_owned(), 240),
        ]
    );
}

#[test]
fn another_methods_405_leaves_a_name_alone() {
    let mut k = Kernel::default();
    for i in 0..50 {
        k.get(&format!("/{}", slug(i * 41, "-")), 10);
        k.answer("GET", &format!("/no-{}", slug(i * 41, "-")), 404, 1);
    }
    k.answer("POST", "/zebra", 200, 7);
    k.answer("POST", "/quagga", 200, 7);
    k.unrouted("GET", "/zebra", 1);
    k.answer("GET", "/quagga", 404, 1);
    assert_eq!(
        k.routes(),
        [
            "GET (unmatched)",
            "GET /quagga",
            "GET /{id}",
            "POST /quagga",
            "POST /zebra",
        ]
    );
}

#[test]
fn the_users_routes_come_first() {
    let mut k = Kernel::default();
    for name in ["alice", "bob", "me"] {
        k.get(&format!("/api/users/{name}"), 2);
    }
    k.get("/static/js/vendor/x.js", 1);
    k.get("/static/style.css", 1);
    k.get("/api/users/17", 1);
    let mut model = k.model();
    model.set_routes(
        [
            "/api/users/{user}",
            "/api/users/me",
            "GET /static/{path...}",
        ]
        .iter()
        .map(|r| Route::parse(r).unwrap())
        .collect(),
    );
    assert_eq!(
        names(&model.snapshot()),
        [
            ("GET /api/users/me".to_owned(), 2),
            ("GET /api/users/{user}".to_owned(), 5),
            ("GET /static/{path...}".to_owned(), 2),
        ]
    );
}

#[test]
fn a_template_learned_late_relabels_what_was_before() {
    let mut k = Kernel::default();
    for name in ["alice", "bob", "carol"] {
        k.get(&format!("/api/users/{name}"), 2);
    }
    let alice = k.leaf("GET", "/api/users/alice");
    let mut model = k.model();
    assert_eq!(model.snapshot().endpoints.len(), 3);
    model.learn(alice, "GET /api/users/{name}");
    assert_eq!(
        names(&model.snapshot()),
        [("GET /api/users/{name}".to_owned(), 6)]
    );
    model.set_routes(vec![Route::parse("/api/users/{id}").unwrap()]);
    assert_eq!(
        names(&model.snapshot()),
        [("GET /api/users/{id}".to_owned(), 6)]
    );
}

#[test]
fn a_matched_route_is_never_unmatched() {
    let mut k = Kernel::default();
    k.unrouted("GET", "/users/alice", 3);
    let leaf = k.leaf("GET", "/users/alice");
    let mut model = k.model();
    assert_eq!(names(&model.snapshot())[0].0, "GET (unmatched)");
    model.learn(leaf, "/users/{name}");
    assert_eq!(names(&model.snapshot())[0].0, "GET /users/{name}");
}

/// The router was asked of one path it does not know; what else only ever got 404 is refused by it, too, but not what it
/// matched, nor what a template fits.
#[test]
fn what_the_router_refused_is_unmatched_whoever_answered() {
    let mut k = Kernel::default();
    k.get("/users/alice", 2);
    k.answer("GET", "/users/bob", 404, 1);
    k.answer("GET", "/nowhere", 404, 3);
    k.answer("GET", "/admin.php", 404, 2);
    let (alice, nowhere) = (k.leaf("GET", "/users/alice"), k.leaf("GET", "/nowhere"));
    let mut model = k.model();
    assert_eq!(model.snapshot().endpoints.len(), 4);
    model.learn(alice, "/users/{name}");
    model.learn_none(nowhere);
    let mut found = names(&model.snapshot());
    found.sort();
    assert_eq!(
        found,
        [
            ("GET (unmatched)".to_owned(), 5),
            ("GET /users/{name}".to_owned(), 3),
        ]
    );
    // Handlers answer 404, too: then only what the router was asked of is known.
    model.learn_refusal();
    let found = names(&model.snapshot());
    assert!(
        found.contains(&("GET /admin.php".to_owned(), 2)),
        "{found:?}"
    );
    assert!(
        found.contains(&("GET (unmatched)".to_owned(), 3)),
        "{found:?}"
    );
}
