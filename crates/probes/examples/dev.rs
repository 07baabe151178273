//! dev example
use std::time::Duration;
fn main() {
    let t=std::time::Instant::now();
    let mut p = gostall_probes::Probes::load(gostall_model::Arch::X86_64).unwrap_or_else(|e| {eprintln!("{e}"); std::process::exit(2)});
    eprintln!("load {:?}", t.elapsed());
    let pid: u32 = std::env::args().nth(1).unwrap().parse().unwrap();
    let t=std::time::Instant::now();
    p.add_process(pid, None, 0, false, 0).unwrap();
    p.attach().unwrap();
    eprintln!("attach {:?}", t.elapsed());
    p.set_counting(true);
    std::thread::sleep(Duration::from_secs(2));
    let t=std::time::Instant::now();
    p.detach();
    eprintln!("detach {:?}", t.elapsed());
    println!("{:?}", p.counters());
    p.nodes(|n| println!("{n:?}")).unwrap();
    p.chunks(|c| println!("{:?} oct {} n {}", c.key, c.octave, c.counts.iter().sum::<u32>())).unwrap();
}
