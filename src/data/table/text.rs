//! The bytes of a text file, however it is packed and marked.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

/// Longest text that is read, in bytes; places in it are numbers of 32 bits.
const MOST_BYTES: u64 = u32::MAX as u64;
/// What stands for standard input.
pub const STANDARD_INPUT: &str = "-";

/// The text at `path`, or of standard input where it is `-`: unpacked if it is gzip, in UTF-8 if it is marked as UTF-16,
/// without a byte-order mark.
///
/// # Errors
/// [`Error::Input`] for what is too long, and for archives and UTF-16 that is torn. UTF-8 is not checked.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    let io = |e| Error::io("read", path, e);
    let mut bytes = Vec::new();
    if path == Path::new(STANDARD_INPUT) {
        std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    } else {
        let file = File::open(path).map_err(io)?;
        // Room for what the file says to hold, so that the vector is not doubled; not for what no memory would hold.
        let length = file.metadata().map_err(io)?.len();
        bytes.reserve_exact(length.min(MOST_BYTES) as usize + 1);
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        let packed = flate2::read::MultiGzDecoder::new(&bytes[..]);
        packed.take(MOST_BYTES + 1).read_to_end(&mut unpacked).map_err(|e| {
            Error::input(path, format!("it begins as gzip does and cannot be unpacked ({e}); copy it again"))
        })?;
        bytes = unpacked;
    }
    if bytes.len() as u64 > MOST_BYTES {
        let problem = format!("it has more than the {MOST_BYTES} bytes that a text may have; split it");
        return Err(Error::input(path, problem));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(Error::input(path, "it is a zip archive or a spreadsheet and no text; save it as CSV"));
    }
    for (mark, wide) in [([0xff, 0xfe], u16::from_le_bytes as fn([u8; 2]) -> u16), ([0xfe, 0xff], u16::from_be_bytes)] {
        if bytes.starts_with(&mark) {
            let units = bytes[2..].chunks_exact(2).map(|pair| wide([pair[0], pair[1]]));
            let text: std::result::Result<String, _> = char::decode_utf16(units).collect();
            return text.map(String::into_bytes).map_err(|_| Error::input(path, "it is no whole UTF-16 text"));
        }
    }
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(..3);
    }
    Ok(bytes)
}
