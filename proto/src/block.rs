//! Blocks: many messages of one kind, length-delimited in order, compressed, with a checksum.
//!
//! `docs/BLOCKS.md` describes the format for other languages, with the test vector that is checked here.

use std::cell::RefCell;

use bytes::Bytes;
use prost::Message;
use zstd::bulk::{Compressor, Decompressor};

use crate::v1::{Block, Encoding};

/// Records in a unit unless the job says otherwise.
pub const DEFAULT_UNIT_RECORDS: u32 = 500;

/// Bytes of payload in a unit unless the job says otherwise.
pub const DEFAULT_UNIT_BYTES: u32 = 1024 * 1024;

/// The most that a block may hold before compression, in bytes. What claims more is refused before it is
/// unpacked, so that a small message cannot fill the memory.
pub const MAX_BLOCK_BYTES: usize = 8 * 1024 * 1024;

/// Fast and close to the best ratio for records that resemble each other.
const ZSTD_LEVEL: i32 = 1;

thread_local! {
    // A context is a few hundred KiB that are costly to set up and free to use again.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Why a block cannot be read. Holds no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes are not those that were written.
    #[error("the block's checksum does not match its data")]
    Checksum,
    /// It claims, or turned out, to be larger than a block may be.
    #[error("the block is larger than {MAX_BLOCK_BYTES} bytes")]
    TooLarge,
    /// The checksum matches, but the content is not what the block says of itself.
    #[error("the block is malformed: {0}")]
    Malformed(&'static str),
}

/// The messages of a block as they are, one by one. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Messages {
    plain: Bytes,
    left: u32,
}

impl Iterator for Messages {
    type Item = Result<Bytes, BlockError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let rest = std::mem::take(&mut self.plain);
            return (!rest.is_empty()).then_some(Err(BlockError::Malformed("bytes follow the last message")));
        }
        self.left -= 1;
        let length = prost::decode_length_delimiter(&mut self.plain).ok();
        let message = length.filter(|length| *length <= self.plain.len());
        Some(
            message
                .map(|length| self.plain.split_to(length))
                .ok_or_else(|| self.fail("a message is cut short")),
        )
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize + 1))
    }
}

impl Messages {
    /// How many bytes those hold that were not read yet.
    pub fn plain_bytes(&self) -> usize {
        self.plain.len()
    }

    /// Nothing that follows can be trusted.
    fn fail(&mut self, why: &'static str) -> BlockError {
        (self.left, self.plain) = (0, Bytes::new());
        BlockError::Malformed(why)
    }
}

/// The messages of a block, read one by one. Ends after the first error.
#[derive(Debug)]
pub struct Decoded<M> {
    messages: Messages,
    kind: std::marker::PhantomData<fn() -> M>,
}

impl<M> From<Messages> for Decoded<M> {
    fn from(messages: Messages) -> Self {
        Self { messages, kind: std::marker::PhantomData }
    }
}

impl<M: Message + Default> Iterator for Decoded<M> {
    type Item = Result<M, BlockError>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = match self.messages.next()? {
            Ok(message) => M::decode(message),
            Err(error) => return Some(Err(error)),
        };
        Some(message.map_err(|_| self.messages.fail("a message cannot be read")))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.messages.size_hint()
    }
}

impl Block {
    /// Whether the data are those that were written.
    ///
    /// # Errors
    /// [`BlockError::Checksum`] when they are not.
    pub fn verify(&self) -> Result<(), BlockError> {
        if crc32fast::hash(&self.data) == self.checksum { Ok(()) } else { Err(BlockError::Checksum) }
    }

    /// The same block with plain data, for a peer that cannot read Zstandard.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn into_plain(self) -> Result<Self, BlockError> {
        if self.encoding() == Encoding::Plain {
            return Ok(self);
        }
        let plain = unpack(&self)?;
        Ok(seal(Encoding::Plain, self.count, self.plain_bytes, plain))
    }

    /// The same block with compressed data, as it rests in a store.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn into_zstd(self) -> Result<Self, BlockError> {
        if self.encoding() == Encoding::Zstd {
            return Ok(self);
        }
        let plain = unpack(&self)?;
        Ok(seal(Encoding::Zstd, self.count, self.plain_bytes, compress(&plain)))
    }
}

/// Packs messages into a block as it rests: compressed.
#[derive(Debug, Default)]
pub struct BlockWriter {
    plain: Vec<u8>,
    count: u32,
}

impl BlockWriter {
    /// An empty writer with room for so many bytes.
    pub fn with_room(bytes: usize) -> Self {
        Self { plain: Vec::with_capacity(bytes), count: 0 }
    }

    /// Appends a message.
    pub fn push(&mut self, message: &impl Message) {
        message.encode_length_delimited(&mut self.plain).expect("a Vec grows as needed");
        self.count += 1;
    }

    /// Appends a message of which these are the bytes.
    pub fn push_encoded(&mut self, message: &[u8]) {
        prost::encoding::encode_varint(message.len() as u64, &mut self.plain);
        self.plain.extend_from_slice(message);
        self.count += 1;
    }

    /// Messages so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes so far, before compression.
    pub fn plain_bytes(&self) -> usize {
        self.plain.len()
    }

    /// The block of what was pushed; the writer is empty afterwards and may be used again.
    pub fn finish(&mut self) -> Block {
        let size = u32::try_from(self.plain.len()).expect("callers cut blocks far below 4 GiB");
        let block = seal(Encoding::Zstd, self.count, size, compress(&self.plain));
        self.plain.clear();
        self.count = 0;
        block
    }
}

/// Packs messages into one compressed block.
pub fn encode<'a, M: Message + 'a>(messages: impl IntoIterator<Item = &'a M>) -> Block {
    let mut writer = BlockWriter::default();
    messages.into_iter().for_each(|message| writer.push(message));
    writer.finish()
}

/// Reads a block: checks its checksum, unpacks it within bounds, and gives its messages in order.
///
/// # Errors
/// [`BlockError`], here or while iterating.
pub fn decode<M: Message + Default>(block: &Block) -> Result<Decoded<M>, BlockError> {
    messages(block).map(Decoded::from)
}

/// Reads a block as [`decode`] does, but gives its messages as they are.
///
/// # Errors
/// [`BlockError`], here or while iterating.
pub fn messages(block: &Block) -> Result<Messages, BlockError> {
    block.verify()?;
    Ok(Messages { plain: unpack(block)?, left: block.count })
}

fn seal(encoding: Encoding, count: u32, plain_bytes: u32, data: impl Into<Bytes>) -> Block {
    let data = data.into();
    Block { encoding: encoding.into(), count, plain_bytes, checksum: crc32fast::hash(&data), data }
}

fn compress(plain: &[u8]) -> Vec<u8> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = slot.get_or_insert_with(|| Compressor::new(ZSTD_LEVEL).expect("level 1 exists"));
        compressor.compress(plain).expect("the output buffer is as large as zstd asks for")
    })
}

fn unpack(block: &Block) -> Result<Bytes, BlockError> {
    let size = block.plain_bytes as usize;
    if size > MAX_BLOCK_BYTES || block.data.len() > MAX_BLOCK_BYTES {
        return Err(BlockError::TooLarge);
    }
    let plain = match block.encoding() {
        Encoding::Plain => block.data.clone(),
        Encoding::Zstd => DECOMPRESSOR.with_borrow_mut(|slot| {
            let decompressor = slot.get_or_insert_with(|| Decompressor::new().expect("memory for a context"));
            let plain = decompressor.decompress(&block.data, size);
            plain
                .map(Bytes::from)
                .map_err(|_| BlockError::Malformed("it is not a Zstandard frame of that size"))
        })?,
        Encoding::Unspecified => return Err(BlockError::Malformed("its encoding is not known")),
    };
    if plain.len() == size { Ok(plain) } else { Err(BlockError::Malformed("its size is not as given")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::Record;

    fn records() -> Vec<Record> {
        let record = |key: &str, payload: &str, row| Record {
            key: key.into(),
            payload: payload.to_owned().into(),
            row,
            ..Record::default()
        };
        vec![record("A1", r#"{"n":"1"}"#, 2), record("A2", r#"{"n":"2"}"#, 3)]
    }

    fn read(block: &Block) -> Result<Vec<Record>, BlockError> {
        decode(block)?.collect()
    }

    #[test]
    fn what_was_written_is_read_in_both_encodings() {
        let block = encode(&records());
        assert_eq!(read(&block).unwrap(), records());
        let plain = block.clone().into_plain().unwrap();
        assert_eq!(read(&plain).unwrap(), records());
        let bytes = messages(&plain).unwrap().map(|message| Record::decode(message.unwrap()).unwrap());
        assert_eq!(bytes.collect::<Vec<_>>(), records());
        assert_eq!(plain.into_zstd().unwrap(), block);
    }

    /// The vector of `docs/BLOCKS.md`.
    #[test]
    fn the_plain_form_is_as_documented() {
        let plain = encode(&records()).into_plain().unwrap();
        let hex: String = plain.data.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "110a02413112097b226e223a2231227d1802110a02413212097b226e223a2232227d1803");
        assert_eq!((plain.count, plain.plain_bytes, plain.checksum), (2, 36, 0x5469_e4d2));
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let block = encode(&records());
        for byte in 0..block.data.len() {
            let mut data = block.data.to_vec();
            data[byte] ^= 1;
            assert_eq!(read(&Block { data: data.into(), ..block.clone() }), Err(BlockError::Checksum));
        }
    }

    #[test]
    fn a_block_that_lies_about_itself_is_refused() {
        let block = encode(&records());
        let lies = [
            Block { count: 1, ..block.clone() },
            Block { count: 3, ..block.clone() },
            Block { plain_bytes: 35, ..block.clone() },
            Block { plain_bytes: 37, ..block.clone() },
            Block { encoding: 0, ..block.clone() },
            Block { encoding: Encoding::Plain.into(), ..block.clone() },
        ];
        for lie in lies {
            assert!(matches!(read(&lie), Err(BlockError::Malformed(_))), "{lie:?}");
            let bytes = messages(&lie).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            assert!(matches!(bytes, Err(BlockError::Malformed(_))), "{lie:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let data = compress(&vec![0; MAX_BLOCK_BYTES + 1]);
        let honest = seal(Encoding::Zstd, 1, u32::try_from(MAX_BLOCK_BYTES).unwrap() + 1, data.clone());
        assert_eq!(read(&honest), Err(BlockError::TooLarge));
        let lying = seal(Encoding::Zstd, 1, 10, data);
        assert!(matches!(read(&lying), Err(BlockError::Malformed(_))));
    }
}
