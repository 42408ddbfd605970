//! What is embedded is embedded again when files come or go.

fn main() {
    println!("cargo:rerun-if-changed=desk");
    println!("cargo:rerun-if-changed=migrations");
}
