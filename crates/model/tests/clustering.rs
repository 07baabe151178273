//! Endpoint clustering, seen from outside: requests in, endpoints out.

mod support;

use gostall_model::Route;
use support::{Kernel, WORDS, names, slug};

#[test]
fn certain_ids_and_their_subtrees() {
    let mut k = Kernel::default();
    for i in 0..300 {
        k.get(&format!("/api/users/{i}"), 1);
        k.get(&format!("/api/users/{i}/orders/{}", i * 7), 1);
        k.get(&format!("/api/orders/6fa459ea-ee8a-3ca4-894e-{i:012x}"), 1);
        k.get(&format!("/api/reports/2024-01-{:02}", i % 28 + 1), 1);
    }
    assert_eq!(
        k.endpoints(),
        [
            ("GET /api/orders/{id}".to_owned(), 300),
            ("GET /api/reports/{id}".to_owned(), 300),
            ("GET /api/users/{id}".to_owned(), 300),
            ("GET /api/users/{id}/orders/{id}".to_owned(), 300),
        ]
    );
}

#[test]
fn a_digit_alone_proves_nothing() {
    let mut k = Kernel::default();
    let paths = [
        "/",
        "/api/v1",
        "/api/v2",
        "/api/v3",
        "/api/v4",
        "/api/v1/items",
        "/api/v2/items",
        "/api/v3/items",
        "/api/v4/items",
        "/oauth2/token",
        "/s3/bucket",
        "/metrics",
        "/healthz",
        "/sha1",
        "/sha256",
        "/sha512",
        "/ipv4",
        "/ipv6",
        "/mp3",
        "/mp4",
        "/tree",
        "/tree/",
    ];
    for path in paths {
        k.get(path, 50);
    }
    let mut wanted: Vec<String> = paths.iter().map(|p| format!("GET {p}")).collect();
    wanted.sort();
    assert_eq!(k.routes(), wanted);
}

#[test]
fn one_shape_is_one_placeholder() {
    for shape in [
        "user_{}",
        "item-{}",
        "ord-9f{}a7c",
        "img_000{}.png",
        "{}x7k2",
        "b{}@x.org",
    ] {
        let mut k = Kernel::default();
        for i in 1..=4 {
            k.get(
                &format!("/things/{}", shape.replace("{}", &i.to_string())),
                1000,
            );
        }
        k.get("/things/upload", 1000);
        k.get("/things/zebra", 1000);
        assert_eq!(
            k.routes(),
            [
                "GET /things/upload",
                "GET /things/zebra",
                "GET /things/{id}"
            ],
            "{shape}"
        );
    }
}

#[test]
fn hex_ids_without_a_digit_are_ids_too() {
    let mut k = Kernel::default();
    for id in [
        "ord-9f8a7c",
        "ord-123456",
        "ord-abcdef",
        "ord-00ff11",
        "ord-abc123",
    ] {
        k.get(&format!("/o/{id}"), 5);
    }
    assert_eq!(k.endpoints(), [("GET /o/{id}".to_owned(), 25)]);
}

#[test]
fn up_to_forty_names_stay() {
    for n in [20, 30, 40] {
        for times in [2, 5, 1000] {
            let mut k = Kernel::default();
            for word in &WORDS[..n] {
                k.get(&format!("/admin/{word}"), times);
            }
            assert_eq!(k.routes().len(), n, "{n} names, {times} requests each");
        }
    }
}

#[test]
fn sixty_resources_stay() {
    // The top level of a large interface: names, some with ids below, some with actions.
    let resources = "accounts addresses articles assets audits banners billing bookings brands budgets \
        campaigns carts categories channels charges claims comments companies contacts contracts \
        countries coupons courses currencies customers deals departments devices discounts documents \
        domains drafts events expenses features files folders forms games groups hotels images invites \
        invoices issues items jobs labels leads lessons likes links locations messages notes offers \
        orders pages payments plans products";
    let mut k = Kernel::default();
    for name in resources.split_whitespace() {
        k.get(&format!("/api/{name}"), 3);
        k.get(&format!("/api/{name}/17"), 3);
    }
    assert_eq!(k.routes().len(), 2 * resources.split_whitespace().count());
}

#[test]
fn a_pool_of_users_is_one_endpoint() {
    for n in [45, 60, 100, 128, 500] {
        for times in [1, 3, 200] {
            let mut k = Kernel::default();
            for i in 0..n {
                k.get(&format!("/users/{}", slug(i * 41, "")), times);
            }
            assert_eq!(
                k.endpoints(),
                [("GET /users/{id}".to_owned(), n as u64 * times)],
                "{n} users, {times} requests each"
            );
        }
    }
}

#[test]
fn titles_need_less_evidence() {
    let mut k = Kernel::default();
    for i in 0..16 {
        k.get(&format!("/blog/how-{}-met-{}", WORDS[i], WORDS[i + 7]), 9);
    }
    assert_eq!(k.routes(), ["GET /blog/{id}"]);
}

#[test]
fn a_million_paths_are_one_endpoint() {
    let mut k = Kernel::default();
    for i in 0..1_000_000usize {
        k.get(
            &format!("/s/{}-{}-{i}", WORDS[i % 40], WORDS[i / 40 % 40]),
            1,
        );
    }
    assert!(k.nodes.len() < 200);
    assert_eq!(k.endpoints(), [("GET /s/{id}".to_owned(), 1_000_000)]);
}

#[test]
fn merged_positions_merge_below() {
    let mut k = Kernel::default();
    for i in 0..100 {
        let user = slug(i * 41, "");
        k.get(&format!("/users/{user}"), 2);
        k.get(&format!("/users/{user}/posts"), 1);
        k.get(&format!("/users/{user}/posts/{}", slug(i * 7, "-")), 1);
        k.get(&format!("/users/{user}/"), 1);
    }
    // One page of one user only: it must not set that user apart.
    k.get(&format!("/users/{}/avatar", slug(41, "")), 1);
    assert_eq!(
        k.routes(),
        [
            "GET /users/{id}",
            "GET /users/{id}/",
            "GET /users/{id}/avatar",
            "GET /users/{id}/posts",
            "GET /users/{id}/posts/{id}",
        ]
    );
}

#[test]
fn names_among_values_stay() {
    let mut k = Kernel::default();
    for i in 0..100 {
        k.get(&format!("/api/{}", slug(i * 41, "-")), 10);
    }
    k.get("/api/health", 2);
    k.get("/api/stats", 100);
    k.answer("POST", "/api/login", 200, 40);
    k.answer("POST", "/api/zebra", 200, 50);
    for page in ["intro", "faq", "install"] {
        k.get(&format!("/api/manual/{page}"), 2);
    }
    assert_eq!(
        k.routes(),
        [
            "GET /api/health",
            "GET /api/manual/faq",
            "GET /api/manual/install",
            "GET /api/manual/intro",
            "GET /api/stats",
            "GET /api/{id}",
            "POST /api/login",
            "POST /api/zebra",
        ]
    );
}

#[test]
fn a_value_is_one_for_all_methods() {
    let mut k = Kernel::default();
    for i in 0..100 {
        k.get(&format!("/users/{}", slug(i * 41, "")), 2);
    }
    for i in 0..10 {
        k.answer("DELETE", &format!("/users/{}", slug(i * 41, "")), 204, 1);
    }
    k.answer("DELETE", "/users/zoe", 204, 1); // never asked for with GET
    assert_eq!(k.routes(), ["DELETE /users/{id}", "GET /users/{id}"]);
}

#[test]
fn procedures_are_names() {
    let mut k = Kernel::default();
    for verb in ["Get", "List", "Create", "Update", "Delete"] {
        for noun in &WORDS[..20] {
            k.answer("POST", &format!("/rpc/{verb}{noun}"), 200, 5);
        }
    }
    assert_eq!(
        k.routes().len(),
        1,
        "lower case after the verb reads as one word"
    );
    let mut k = Kernel::default();
    for verb in ["get", "list", "create"] {
        for noun in &WORDS[..20] {
            k.answer("POST", &format!("/rpc/{noun}.{verb}"), 200, 5);
        }
    }
    assert_eq!(k.routes().len(), 60);
}

#[test]
fn values_stay_values() {
    // 50 users, at first seen once each among few alike; later each of them many times.
    let mut k = Kernel::default();
    for i in 0..36 {
        k.get(&format!("/u/{}", slug(i * 41, "")), 1);
    }
    let mut model = k.model();
    assert_eq!(names(&model.snapshot()).len(), 1);
    for _ in 0..20 {
        k.feed(&mut model);
    }
    assert_eq!(names(&model.snapshot()).len(), 1, "no flapping");
}

#[test]
fn odd_tries_do_not_hang() {
    use gostall_model::{NR_REQUEST, NodeKind, PathNode};
    let mut k = Kernel::default();
    k.get("/a/b", 1);
    k.answer("OPTIONS", "/a", 204, 1);
    let options = k.leaf("OPTIONS", "/a") - 1;
    let mut model = k.model();
    for (id, parent) in [(900, 901), (901, 900), (902, 902), (903, 9999)] {
        model.add_node(PathNode {
            id,
            parent,
            kind: NodeKind::Literal,
            text: "x".to_owned(),
            overflowed: false,
        });
        model.add_chunk(&support::chunk(id, NR_REQUEST, 200, 5, 1));
    }
    model.set_routes(vec![Route::parse("/nothing/{x}").unwrap()]);
    model.add_chunk(&support::chunk(7777, NR_REQUEST, 200, 5, 1));
    model.add_chunk(&support::chunk(options, NR_REQUEST, 204, 5, 1));
    assert_eq!(
        names(&model.snapshot()),
        [
            ("* (other)".to_owned(), 5),
            ("GET /a/b".to_owned(), 1),
            ("OPTIONS *".to_owned(), 1),
            ("OPTIONS /a".to_owned(), 1),
        ]
    );
}

#[test]
fn a_full_table_leaves_few_literals() {
    for max_literals in [4, 24] {
        let mut k = Kernel::default();
        k.max_literals = max_literals;
        for i in 0..200 {
            k.get(&format!("/users/{}", slug(i * 41, "")), 3);
        }
        for name in ["users", "orders", "items", "carts", "teams", "rooms"] {
            k.get(&format!("/api/{name}"), 3);
        }
        let routes = k.routes();
        assert!(routes.contains(&"GET /users/{id}".to_owned()), "{routes:?}");
        assert!(routes.contains(&"GET /api/orders".to_owned()), "{routes:?}");
        assert!(
            !routes.contains(&format!("GET /users/{}", slug(0, ""))),
            "{routes:?}"
        );
    }
}

#[test]
fn targets_without_a_path() {
    let mut k = Kernel::default();
    k.answer("OPTIONS", "*", 204, 1);
    k.answer("CONNECT", "example.org:443", 200, 1);
    k.answer("GET", "/*", 200, 1);
    assert_eq!(
        k.routes(),
        ["CONNECT example.org:443", "GET /*", "OPTIONS *"]
    );
}

#[test]
fn open_positions_are_told() {
    let mut k = Kernel::default();
    for i in 0..100 {
        k.get(&format!("/repos/{}/readme", slug(i * 41, "")), 2);
        k.get(&format!("/admin/{}", WORDS[i % 20]), 2);
    }
    let repos = k.leaf("GET", "/repos");
    let mut model = k.model();
    assert_eq!(model.open_nodes().count(), 0);
    model.snapshot();
    assert_eq!(model.open_nodes().collect::<Vec<_>>(), [repos]);
}

#[test]
fn a_live_trace_has_paths_only() {
    let mut k = Kernel::default();
    for i in 0..100 {
        k.leaf("GET", &format!("/users/{}", slug(i * 41, "")));
    }
    for i in 0..5 {
        k.leaf("GET", &format!("/items/item-{i}"));
    }
    k.leaf("GET", "/healthz");
    let leaves = [
        k.leaf("GET", "/users/amber"),
        k.leaf("GET", "/items/item-3"),
        k.leaf("GET", "/healthz"),
    ];
    k.requests.clear();
    let mut model = k.model();
    let routes = leaves.map(|leaf| match model.owner(leaf) {
        gostall_model::Owner::Endpoint(label) => label.route.to_string(),
        gostall_model::Owner::Role(role) => role.name().to_owned(),
    });
    assert_eq!(routes, ["/users/{id}", "/items/{id}", "/healthz"]);
}

/// A path as any client may send it: few words and shapes, so that they meet.
fn any_path() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let segment = prop_oneof![
        4 => (0usize..40).prop_map(|i| WORDS[i].to_owned()),
        2 => (0usize..1600).prop_map(|i| slug(i, "-")),
        2 => (0u32..50).prop_map(|i| format!("user_{i}")),
        1 => (0u32..50).prop_map(|i| i.to_string()),
        1 => Just(String::new()),
        1 => any::<String>().prop_map(|s| s.replace('/', "")),
    ];
    proptest::collection::vec(segment, 1..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever is asked for: requests are neither lost nor doubled, each verb keeps its own, no endpoint
    /// stands twice, no route is empty, and the order in which things are told does not matter.
    #[test]
    fn merging_loses_nothing(
        asked in proptest::collection::vec(
            (any_path(), proptest::sample::select(vec!["GET", "POST"]), 1u64..4,
             proptest::sample::select(vec![200u16, 200, 404, 404 | 0x800, 503])),
            1..300,
        )
    ) {
        let mut k = Kernel::default();
        let mut wanted = std::collections::BTreeMap::<&str, u64>::new();
        for (path, method, times, res) in &asked {
            k.answer(method, path, *res, *times);
            *wanted.entry(method).or_default() += times;
        }
        let endpoints = k.endpoints();
        let mut got = std::collections::BTreeMap::<&str, u64>::new();
        for (name, requests) in &endpoints {
            let (method, route) = name.split_once(' ').unwrap();
            *got.entry(method).or_default() += requests;
            proptest::prop_assert!(route.starts_with('/') || route == "(unmatched)", "{}", route);
        }
        proptest::prop_assert_eq!(got, wanted);
        let mut names: Vec<_> = endpoints.iter().map(|e| &e.0).collect();
        names.dedup();
        proptest::prop_assert_eq!(names.len(), endpoints.len());
        k.nodes.reverse();
        proptest::prop_assert_eq!(k.endpoints(), endpoints);
    }
}
