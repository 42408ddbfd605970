//! The wire contract of Emend: the generated gRPC code of `emend.v1` and of KEDA's scalers, and the block format.

mod block;

pub use block::{
    BlockError, BlockWriter, DEFAULT_UNIT_BYTES, DEFAULT_UNIT_RECORDS, Decoded, MAX_BLOCK_BYTES, Messages,
    decode, encode, messages,
};

/// Package `emend.v1`. The comments are those of the protos.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("emend.v1");
}

/// KEDA's protocol for scalers of others. The comments are those of the proto.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod externalscaler {
    tonic::include_proto!("externalscaler");
}

/// The descriptors of `emend.v1`, of `externalscaler`, and all they import, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/emend.bin"));

/// No message is larger, in either direction: a unit's block and its results, with room for the rest.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
