//! Compiles the protos without `protoc`.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "emend/v1/record.proto",
        "emend/v1/work.proto",
        "emend/v1/job.proto",
        "emend/v1/review.proto",
        "emend/v1/account.proto",
        "emend/v1/validator.proto",
        "externalscaler/externalscaler.proto",
    ];
    println!("cargo:rerun-if-changed=emend");
    println!("cargo:rerun-if-changed=externalscaler");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).open_files(files)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Reflection serves this; unlike the typed set it keeps the comments.
    std::fs::write(out.join("emend.bin"), compiler.encode_file_descriptor_set())?;
    let set = prost_types::FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice())?;
    // Payloads and block data are slices of what arrived, not copies of it.
    tonic_prost_build::configure()
        .bytes(".emend.v1.Record.payload")
        .bytes(".emend.v1.Block.data")
        .bytes(".emend.v1.RecordView.fields")
        .compile_fds(set)?;
    Ok(())
}
