//! Prints what gobin says of an executable. `cargo run --example show -- FILE [FUNCTION...]`

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: show FILE [FUNCTION...]")?;
    let started = std::time::Instant::now();
    let binary = gostall_gobin::Binary::open(&path)?;
    let facts = binary.facts();
    println!("read in {:?}", started.elapsed());
    let names: Vec<String> = args.collect();
    if names.is_empty() {
        println!("{facts:#?}");
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (name, presence) in names.iter().zip(binary.inlined_into(&names)) {
        let into: Vec<&str> = presence
            .inlined_into
            .iter()
            .map(|i| i.function.name.as_str())
            .collect();
        println!("{name}: {:x?}, inlined into {into:?}", presence.function);
        if let Some(function) = presence.function {
            println!("  {:x?}", binary.entry_site(&function));
            for frame in binary.symbolizer().symbolize(function.entry).iter() {
                println!("  {frame:?}");
            }
        }
    }
    Ok(())
}
