//! NumPy's .npy format: a header that is a Python dictionary, then numbers.

use std::io::Read;

/// Longest header that is read, in bytes.
const MOST_HEADER: usize = 1 << 16;
/// Longest body that is read, in bytes.
const MOST_BYTES: usize = 4 << 30;

/// An array of numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    /// Extents.
    pub shape: Vec<usize>,
    /// Its numbers, the last index fastest.
    pub numbers: Numbers,
}

/// Bytes as they are, everything else as f64.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Numbers {
    /// uint8.
    Bytes(Vec<u8>),
    /// Integers and booleans.
    Whole(Vec<f64>),
    /// Floats.
    Real(Vec<f64>),
}

/// What an array's header says.
pub(super) struct Header {
    /// Extents.
    pub shape: Vec<usize>,
    /// Type without its byte order: u1, f8, …
    kind: String,
    big_endian: bool,
    /// Whether the first index is fastest.
    columns_first: bool,
}

impl Header {
    /// Read a header; the error is a sentence.
    pub fn read(from: &mut impl Read) -> Result<Self, String> {
        let cut = |_| "it ends within its header; write it again".to_string();
        let mut start = [0; 8];
        from.read_exact(&mut start).map_err(cut)?;
        if start[..6] != *b"\x93NUMPY" {
            return Err("it is no .npy array, it does not start as one".into());
        }
        let mut length = [0; 4];
        let digits = if start[6] == 1 { 2 } else { 4 };
        from.read_exact(&mut length[..digits]).map_err(cut)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MOST_HEADER {
            return Err(format!("its header promises {length} bytes of description; write it again"));
        }
        let mut header = vec![0; length];
        from.read_exact(&mut header).map_err(cut)?;
        let header = String::from_utf8_lossy(&header).into_owned();
        parse(&header).ok_or_else(|| format!("its header cannot be understood: {}", header.trim()))
    }
}

impl Array {
    /// Read an array; the error is a sentence. Memory grows with what is there, not with what the header promises.
    pub fn read(mut from: impl Read) -> Result<Self, String> {
        let Header { shape, kind, big_endian, columns_first } = Header::read(&mut from)?;
        if columns_first && shape.len() > 1 {
            return Err("it is in Fortran order; save np.ascontiguousarray of it".into());
        }
        let size: usize = match &*kind {
            "u1" | "i1" | "b1" => 1,
            "u2" | "i2" => 2,
            "u4" | "i4" | "f4" => 4,
            "u8" | "i8" | "f8" => 8,
            _ => return Err(format!("its numbers are of type {kind}; save integers, or float32 or float64")),
        };
        let bytes = shape
            .iter()
            .try_fold(size, |n, &extent| n.checked_mul(extent))
            .filter(|&bytes| bytes <= MOST_BYTES)
            .ok_or_else(|| format!("its header promises an array of {shape:?}, more than {MOST_BYTES} bytes"))?;
        let mut body = Vec::new();
        from.take(bytes as u64 + 1).read_to_end(&mut body).map_err(|e| format!("it cannot be read: {e}"))?;
        if body.len() != bytes {
            let more = if body.len() > bytes { "more than" } else { "less than" };
            return Err(format!("it holds {more} the {bytes} bytes of an array of {shape:?}; write it again"));
        }
        let numbers = match &*kind {
            "u1" => Numbers::Bytes(body),
            "f4" | "f8" => Numbers::Real(decode(&body, &kind, big_endian)),
            _ => Numbers::Whole(decode(&body, &kind, big_endian)),
        };
        Ok(Array { shape, numbers })
    }
}

/// The dictionary that a header is.
fn parse(header: &str) -> Option<Header> {
    let after = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let described = after("descr")?.strip_prefix('\'')?.split_once('\'')?.0;
    let (order, kind) = described.split_at_checked(1)?;
    let columns_first = after("fortran_order")?.starts_with("True");
    let extents = after("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let extents = extents.split(',').map(str::trim).filter(|e| !e.is_empty());
    let shape: Option<Vec<usize>> = extents.map(|e| e.parse().ok()).collect();
    Some(Header { shape: shape?, kind: kind.to_string(), big_endian: order == ">", columns_first })
}

/// Little-endian or big-endian numbers as f64.
fn decode(body: &[u8], kind: &str, big_endian: bool) -> Vec<f64> {
    /// Numbers of type `$t`, of as many bytes.
    macro_rules! numbers {
        ($t:ty) => {{
            let (numbers, _) = body.as_chunks::<{ size_of::<$t>() }>();
            let of =
                |b: &[u8; size_of::<$t>()]| if big_endian { <$t>::from_be_bytes(*b) } else { <$t>::from_le_bytes(*b) };
            numbers.iter().map(|b| of(b) as f64).collect()
        }};
    }
    match kind {
        "u2" => numbers!(u16),
        "i2" => numbers!(i16),
        "u4" => numbers!(u32),
        "i4" => numbers!(i32),
        "u8" => numbers!(u64),
        "i8" => numbers!(i64),
        "f4" => numbers!(f32),
        "f8" => numbers!(f64),
        "i1" => numbers!(i8),
        _ => numbers!(u8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(version: u8, header: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = [b"\x93NUMPY", &[version, 0][..]].concat();
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        [&bytes, header.as_bytes(), body].concat()
    }

    fn header(descr: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}   \n")
    }

    #[test]
    fn arrays_of_every_type_and_order_are_read() {
        let read =
            |descr: &str, shape: &str, body: &[u8]| Array::read(&npy(1, &header(descr, shape), body)[..]).unwrap();
        let bytes = read("|u1", "(2, 3)", &[1, 2, 3, 4, 5, 6]);
        assert_eq!(bytes, Array { shape: vec![2, 3], numbers: Numbers::Bytes(vec![1, 2, 3, 4, 5, 6]) });
        let whole = |descr: &str, body: &[u8]| match read(descr, "(1,)", body).numbers {
            Numbers::Whole(numbers) => numbers[0],
            other => panic!("{other:?}"),
        };
        assert_eq!(whole("<i2", &(-2i16).to_le_bytes()), -2.0);
        assert_eq!(whole(">i4", &(-70_000i32).to_be_bytes()), -70_000.0);
        assert_eq!(whole("<u8", &(1u64 << 40).to_le_bytes()), (1u64 << 40) as f64);
        assert_eq!((whole("|b1", &[1]), whole("|i1", &[255]), whole("<u2", &[1, 1])), (1.0, -1.0, 257.0));
        let real = read("<f4", "(2,)", &[0.5f32.to_le_bytes(), f32::NAN.to_le_bytes()].concat());
        assert!(matches!(real.numbers, Numbers::Real(n) if n[0] == 0.5 && n[1].is_nan()));
        let second = Array::read(&npy(2, &header(">f8", "()"), &7.25f64.to_be_bytes())[..]).unwrap();
        assert_eq!((second.shape.len(), second.numbers), (0, Numbers::Real(vec![7.25])));
    }

    #[test]
    fn what_is_torn_huge_or_of_another_type_is_told() {
        let whole = npy(1, &header("<f4", "(2,)"), &[0; 8]);
        for length in 0..whole.len() {
            assert!(Array::read(&whole[..length]).is_err(), "{length}");
        }
        let told =
            |descr: &str, shape: &str, body: &[u8]| Array::read(&npy(1, &header(descr, shape), body)[..]).unwrap_err();
        assert!(told("<f4", "(3,)", &[0; 8]).contains("less than the 12 bytes"));
        assert!(told("<f4", "(1,)", &[0; 8]).contains("more than the 4 bytes"));
        assert!(told("<U5", "(1,)", &[0; 20]).contains("type U5"));
        assert!(told("|O", "(1,)", &[0; 20]).contains("type O"));
        let huge = told("<f8", "(4000000000, 4000000000)", &[0; 8]);
        assert!(huge.contains("promises an array of [4000000000, 4000000000]"), "{huge}");
        assert!(told("<f8", "(-1,)", &[0; 8]).contains("cannot be understood"));
        let fortran = "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }";
        assert!(Array::read(&npy(1, fortran, &[0; 32])[..]).unwrap_err().contains("Fortran"));
        assert!(Array::read(&npy(2, "x", &[])[..]).is_err());
        assert!(Array::read(&b"\x93NUMPY\x02\x00\xff\xff\xff\xff"[..]).unwrap_err().contains("4294967295"));
        assert!(Array::read(&b"PK\x03\x04 a zip"[..]).unwrap_err().contains("no .npy"));
    }
}
