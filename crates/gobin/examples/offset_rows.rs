//! Makes rows of `src/offsets.tsv`: the field offsets that the debug information of executables tells, one line a
//! file, behind a line of column names. The executables must be of different releases and hold net/http.
//!
//! `cargo run --example offset_rows -- FILE...`; `make-offsets` beside this file builds them.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut heading = true;
    for path in std::env::args().skip(1) {
        let binary = gostall_gobin::Binary::open(&path)?;
        let version = binary
            .version()
            .ok_or_else(|| format!("{path}: no version"))?;
        let fields = binary
            .debug_fields()
            .ok_or_else(|| format!("{path}: no debug information"))?;
        if std::mem::take(&mut heading) {
            let columns: Vec<&str> = fields.iter().map(|(column, _)| *column).collect();
            println!("release\t{}", columns.join("\t"));
        }
        let cells: Vec<String> = fields
            .iter()
            .map(|(_, offset)| offset.map_or("-".to_owned(), |o| o.to_string()))
            .collect();
        println!("{version}\t{}", cells.join("\t"));
    }
    Ok(())
}
