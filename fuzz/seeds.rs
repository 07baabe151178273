//! Writes the fuzzer's first inputs: small executables made by hand. `cargo run --bin seeds -- corpus/gobin`

#[path = "../crates/gobin/tests/support/tiny.rs"]
mod tiny;

fn main() -> std::io::Result<()> {
    let dir = std::env::args().nth(1).expect("a directory for the seeds");
    std::fs::create_dir_all(&dir)?;
    for (i, tiny) in tiny::Tiny::all().enumerate() {
        std::fs::write(format!("{dir}/seed-{i:02}"), tiny.build())?;
    }
    Ok(())
}
