//! A large trace must stay cheap: 400,000 chunks, as a busy machine with many endpoints fills the kernel's
//! table. The bounds are far above what it takes (printed with `--nocapture`), for slow machines.

mod support;

use std::time::{Duration, Instant};

use gostall_model::{Arch, Model, NR_REQUEST};
use support::{Kernel, chunk};

#[test]
fn four_hundred_thousand_chunks() {
    let mut kernel = Kernel::default();
    let mut leaves = Vec::new();
    for resource in 0..100 {
        for slug in 0..100 {
            let path = format!(
                "/{}/{}",
                support::slug(resource, "-"),
                support::slug(slug * 41, "")
            );
            leaves.push(kernel.leaf("GET", &path));
        }
    }
    let chunks: Vec<_> = (0..400_000u64)
        .map(|i| {
            let leaf = leaves[(i % 10_000) as usize];
            let nr = [NR_REQUEST, 0, 1, 202, 281][(i / 10_000 % 5) as usize];
            let res = if nr == NR_REQUEST { 200 } else { 0 };
            let mut chunk = chunk(leaf, nr, res, 100 << (i / 50_000 * 2), 3);
            for (at, n) in chunk.counts.iter_mut().enumerate() {
                *n += u32::from((at as u64 + i).is_multiple_of(3));
            }
            chunk
        })
        .collect();
    let mut model = Model::new(Arch::X86_64);
    let start = Instant::now();
    for node in &kernel.nodes {
        model.add_node(node.clone());
    }
    for chunk in &chunks {
        model.add_chunk(chunk);
    }
    let fed = start.elapsed();
    let start = Instant::now();
    let snapshot = model.snapshot();
    let built = start.elapsed();
    println!(
        "feeding {fed:?}, snapshot {built:?}, {} endpoints",
        snapshot.endpoints.len()
    );
    assert_eq!(snapshot.coverage.paths_seen, 10_000);
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });
    assert!(fed + built < limit, "{fed:?} + {built:?}");
}

#[test]
fn a_live_trace_of_ten_thousand_paths() {
    use gostall_model::Owner;
    let mut kernel = Kernel::default();
    let mut model = Model::new(Arch::X86_64);
    let start = Instant::now();
    let mut fed = 0;
    let mut routes = std::collections::BTreeMap::<String, u32>::new();
    for i in 0..10_000 {
        let path = format!(
            "/repos/{}/{}",
            support::slug(i * 7, ""),
            support::slug(i * 41, "-")
        );
        let leaf = kernel.leaf("GET", &path);
        for node in &kernel.nodes[fed..] {
            model.add_node(node.clone());
        }
        fed = kernel.nodes.len();
        let Owner::Endpoint(label) = model.owner(leaf) else {
            panic!("a path belongs to an endpoint");
        };
        *routes.entry(label.route.to_string()).or_default() += 1;
    }
    let took = start.elapsed();
    println!(
        "{took:?}, {} nodes, {} labels",
        kernel.nodes.len(),
        routes.len()
    );
    // The first few come before there is any evidence.
    assert!(routes["/repos/{id}/{id}"] > 9_700, "{routes:?}");
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });
    assert!(took < limit, "{took:?}");
}
