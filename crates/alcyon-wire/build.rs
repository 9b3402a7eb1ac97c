//! Compiles `proto/` with protox, so that no `protoc` is needed, and writes the schema down as plain lines for the test
//! that holds every message to a golden vector.

use std::{env, fmt::Write, fs, path::Path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["log", "identity", "sealed"].map(|name| format!("proto/alcyon/v1/{name}.proto"));
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    let mut schema = String::new();
    for file in &descriptors.file {
        for message in &file.message_type {
            writeln!(schema, "message {}", message.name())?;
            for field in &message.field {
                let kind = match field.type_name() {
                    "" => format!("{:?}", field.r#type()).to_lowercase(),
                    name => name.trim_start_matches('.').to_owned(),
                };
                let label = if field.oneof_index.is_some() { "oneof".to_owned() } else { format!("{:?}", field.label()).to_lowercase() };
                writeln!(schema, "  {} {label} {kind} {}", field.number(), field.name())?;
            }
        }
        for list in &file.enum_type {
            writeln!(schema, "enum {}", list.name())?;
            for value in &list.value {
                writeln!(schema, "  {} {}", value.number(), value.name())?;
            }
        }
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("schema.txt"), schema)?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
