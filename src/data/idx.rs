//! The IDX format of MNIST and its kin: big-endian headers, then bytes; plain or compressed with gzip.

use std::io::{BufRead, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::classes::Labelling;
use super::{Dataset, Head, ImageShape, Split};
use crate::{Error, Result};

/// First four bytes of `[count][row][column]` u8 images.
const IMAGES: u32 = 0x0000_0803;
/// First four bytes of `[count]` u8 labels.
const LABELS: u32 = 0x0000_0801;
/// Longest body that is read, in bytes: six times EMNIST's largest.
const MOST_BYTES: u64 = 4 << 30;

/// One stored file: what to call it in errors, and its bytes, plain or gzip.
pub(super) struct Stored<R> {
    pub path: PathBuf,
    pub bytes: R,
}

/// The two files of a split.
pub(super) struct StoredSplit<R> {
    pub images: Stored<R>,
    pub labels: Stored<R>,
}

/// How the files of a data set are to be understood.
pub(super) struct Convention {
    /// What the labels mean.
    pub labelling: Labelling,
    /// Whether each image is stored column by column, as EMNIST's are.
    pub transposed: bool,
}

/// Check and decode the four files of the data set called `name`.
///
/// All headers are compared with each other before any body is read, and a body is read no further than its header
/// says.
pub(super) fn decode<R: BufRead>(
    name: &str,
    convention: &Convention,
    train: StoredSplit<R>,
    test: StoredSplit<R>,
) -> Result<Dataset> {
    let (train, test) = (OpenSplit::open(train)?, OpenSplit::open(test)?);
    if train.images.extent() != test.images.extent() {
        let ([_, rows, columns], [_, other_rows, other_columns]) = (train.images.sizes, test.images.sizes);
        return Err(test.images.bad(format!(
            "its images are {other_rows} x {other_columns} pixels, those of {} are {rows} x {columns}; put files of \
             one data set together",
            train.images.path.display()
        )));
    }
    let [_, rows, columns] = train.images.sizes.map(|n| n as usize);
    let (height, width) = if convention.transposed { (columns, rows) } else { (rows, columns) };
    let image = ImageShape { channels: 1, height, width };

    let train = train.read(convention, image)?;
    let test = test.read(convention, image)?;
    let classes = convention.labelling.names.clone().unwrap_or_else(|| {
        let last = train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0);
        (0..=last).map(|label| label.to_string()).collect()
    });
    Ok(Dataset {
        name: name.to_owned(),
        classes,
        image,
        table: None,
        head: Head::Classes,
        ranges: Vec::new(),
        notes: Vec::new(),
        train,
        test,
    })
}

/// A split whose headers are checked and whose bodies are still to be read.
struct OpenSplit<R> {
    images: Array<R>,
    labels: Array<R>,
}

impl<R: BufRead> OpenSplit<R> {
    fn open(stored: StoredSplit<R>) -> Result<Self> {
        let images = Array::open(stored.images, IMAGES)?;
        let labels = Array::open(stored.labels, LABELS)?;
        let ([samples, rows, columns], [labelled, ..]) = (images.sizes, labels.sizes);
        if samples != labelled {
            return Err(labels.bad(format!(
                "it holds {labelled} labels for the {samples} images of {}; put files of one data set together",
                images.path.display()
            )));
        }
        if samples == 0 {
            return Err(images.bad("it holds no images"));
        }
        if rows == 0 || columns == 0 {
            return Err(images.bad(format!("its images are {rows} x {columns} pixels, which leaves nothing to learn")));
        }
        Ok(OpenSplit { images, labels })
    }

    fn read(self, convention: &Convention, image: ImageShape) -> Result<Split> {
        let labels_path = self.labels.path.clone();
        let mut labels = self.labels.read()?;
        number_classes(&labels_path, &mut labels, &convention.labelling)?;
        let mut pixels = self.images.read()?;
        if convention.transposed {
            transpose(&mut pixels, image);
        }
        Ok(Split { pixels, labels, targets: Vec::new() })
    }
}

/// Turn stored labels into class indices.
fn number_classes(path: &Path, labels: &mut [u8], labelling: &Labelling) -> Result<()> {
    let first = labelling.first;
    let last = labelling.names.as_ref().map_or(255, |names| first as usize + names.len() - 1);
    for (sample, label) in labels.iter_mut().enumerate() {
        if *label < first || usize::from(*label) > last {
            let problem = format!("label {label} of sample {sample} is not in {first} to {last}; fetch the file again");
            return Err(Error::input(path, problem));
        }
        *label -= first;
    }
    Ok(())
}

/// Turn images stored as `[sample][column][row]` into `[sample][row][column]` of extent `image`, one channel.
fn transpose(pixels: &mut [u8], image: ImageShape) {
    let mut stored = vec![0; image.pixels()];
    for sample in pixels.chunks_exact_mut(image.pixels()) {
        stored.copy_from_slice(sample);
        for (row, pixels) in sample.chunks_exact_mut(image.width).enumerate() {
            for (column, pixel) in pixels.iter_mut().enumerate() {
                *pixel = stored[column * image.height + row];
            }
        }
    }
}

/// An array of bytes whose header is read and checked, and whose body is still to be read.
struct Array<R> {
    path: PathBuf,
    /// Samples, then rows and columns of images; 1 and 1 for labels.
    sizes: [u32; 3],
    body: Unpacked<R>,
}

/// A file's content, whichever way it is stored.
enum Unpacked<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Unpacked::Plain(bytes) => bytes.read(buffer),
            Unpacked::Gzip(bytes) => bytes.read(buffer),
        }
    }
}

impl<R: BufRead> Array<R> {
    /// Read the header, which must start with `magic`.
    fn open(Stored { path, mut bytes }: Stored<R>, magic: u32) -> Result<Self> {
        // An IDX file starts with a zero byte, a gzip file with 0x1f.
        let start = bytes.fill_buf().map_err(|e| Error::io("read", &path, e))?;
        let body = match start.first() {
            Some(0x1f) => Unpacked::Gzip(Box::new(MultiGzDecoder::new(bytes))),
            _ => Unpacked::Plain(bytes),
        };
        let mut array = Array { path, sizes: [1; 3], body };
        let found = array.read_u32()?;
        if found != magic {
            let problem = format!("it starts with 0x{found:08x}, not with the 0x{magic:08x} of {}", kind(magic));
            return Err(array.bad(problem));
        }
        let dimensions = if magic == IMAGES { 3 } else { 1 };
        for dimension in 0..dimensions {
            array.sizes[dimension] = array.read_u32()?;
        }
        Ok(array)
    }

    /// Rows and columns.
    fn extent(&self) -> [u32; 2] {
        [self.sizes[1], self.sizes[2]]
    }

    fn read_u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.body.read_exact(&mut bytes).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => self.bad("it ends within its header; fetch it again"),
            _ => self.failed(e),
        })?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Read the body, exactly as long as the header says. Memory grows with what is there, not with what is promised.
    fn read(mut self) -> Result<Vec<u8>> {
        let promised = self.sizes.iter().map(|&n| u128::from(n)).product::<u128>();
        let limit = match u64::try_from(promised) {
            Ok(bytes) if bytes <= MOST_BYTES => bytes,
            _ => {
                return Err(self.bad(format!(
                    "its header promises {promised} bytes, more than the {MOST_BYTES} that gatewright reads; fetch it \
                     again"
                )));
            }
        };
        let mut body = Vec::new();
        match (&mut self.body).take(limit + 1).read_to_end(&mut body) {
            Err(e) if e.kind() != ErrorKind::UnexpectedEof => return Err(self.failed(e)),
            Ok(_) if body.len() as u64 == limit => {}
            Ok(_) if body.len() as u64 > limit => {
                return Err(self.bad(format!("it goes on after the {limit} bytes that its header promises")));
            }
            _ => {
                let there = body.len();
                return Err(self.bad(format!(
                    "it is truncated, {there} of the {limit} bytes that its header promises are there; fetch it again"
                )));
            }
        }
        body.shrink_to_fit();
        Ok(body)
    }

    fn bad(&self, problem: impl Into<String>) -> Error {
        Error::input(&self.path, problem)
    }

    /// A failure while reading: of the gzip data if that is how the file is stored, else of the system.
    fn failed(&self, e: std::io::Error) -> Error {
        let damaged = matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData);
        match self.body {
            Unpacked::Gzip(_) if damaged => self.bad(format!("its gzip data is damaged ({e}); fetch it again")),
            _ => Error::io("read", &self.path, e),
        }
    }
}

fn kind(magic: u32) -> &'static str {
    if magic == IMAGES { "IDX images" } else { "IDX labels" }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::random::Philox;

    const PLAIN: Convention = Convention { labelling: Labelling { first: 0, names: None }, transposed: false };

    /// An IDX file: magic, sizes, body.
    fn idx(magic: u32, sizes: &[u32], body: &[u8]) -> Vec<u8> {
        let header = std::iter::once(&magic).chain(sizes).flat_map(|n| n.to_be_bytes());
        header.chain(body.iter().copied()).collect()
    }

    /// Three training and two test images of 2 x 3 pixels, in the order of [`files`].
    fn files() -> [Vec<u8>; 4] {
        let images = |count: u32| idx(IMAGES, &[count, 2, 3], &(0..6 * count as u8).collect::<Vec<_>>());
        [images(3), idx(LABELS, &[3], &[0, 1, 4]), images(2), idx(LABELS, &[2], &[5, 0])]
    }

    /// Decode training images and labels, test images and labels.
    fn decode_files(files: &[Vec<u8>; 4], convention: &Convention) -> Result<Dataset> {
        let stored = |part: usize| Stored { path: format!("part {part}").into(), bytes: &files[part][..] };
        let train = StoredSplit { images: stored(0), labels: stored(1) };
        let test = StoredSplit { images: stored(2), labels: stored(3) };
        decode("made", convention, train, test)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn samples_labels_and_classes_come_out_as_stored() {
        let set = decode_files(&files(), &PLAIN).unwrap();
        assert_eq!(set.image, ImageShape { channels: 1, height: 2, width: 3 });
        assert_eq!(set.train, Split { pixels: (0..18).collect(), labels: vec![0, 1, 4], targets: Vec::new() });
        assert_eq!(set.test, Split { pixels: (0..12).collect(), labels: vec![5, 0], targets: Vec::new() });
        assert_eq!(set.classes, ["0", "1", "2", "3", "4", "5"], "the greatest label is in the test split");
    }

    #[test]
    fn transposed_images_are_turned_and_first_labels_become_class_0() {
        let mut files = files();
        files[1] = idx(LABELS, &[3], &[1, 2, 26]);
        files[3] = idx(LABELS, &[2], &[26, 1]);
        let letters = Convention { labelling: Labelling::of("emnist", Some("letters")), transposed: true };
        let set = decode_files(&files, &letters).unwrap();
        assert_eq!(set.image, ImageShape { channels: 1, height: 3, width: 2 });
        // The first image is stored as [[0, 1, 2], [3, 4, 5]].
        assert_eq!(set.train.pixels[..6], [0, 3, 1, 4, 2, 5]);
        assert_eq!(set.train.pixels[6..12], [6, 9, 7, 10, 8, 11]);
        assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[0, 1, 25][..], &[25, 0][..]));
        assert_eq!((set.classes.len(), &*set.classes[0], &*set.classes[25]), (26, "A", "Z"));
        files[1] = idx(LABELS, &[3], &[1, 0, 26]);
        let message = decode_files(&files, &letters).unwrap_err().to_string();
        assert!(message.contains("part 1") && message.contains("label 0 of sample 1"), "{message}");
    }

    #[test]
    fn gzip_is_read_as_plain_in_one_member_or_more() {
        let plain = files();
        let whole = decode_files(&plain, &PLAIN).unwrap();
        assert_eq!(decode_files(&plain.clone().map(|file| gzip(&file)), &PLAIN).unwrap(), whole);
        let in_two = plain.map(|file| [gzip(&file[..7]), gzip(&file[7..])].concat());
        assert_eq!(decode_files(&in_two, &PLAIN).unwrap(), whole);
    }

    #[test]
    fn gzip_is_not_unpacked_beyond_what_the_header_promises() {
        let mut bomb = files();
        bomb[2] = gzip(&[&bomb[2][..], &vec![0; 64 << 20]].concat());
        let message = decode_files(&bomb, &PLAIN).unwrap_err().to_string();
        assert!(message.contains("part 2") && message.contains("goes on after the 12 bytes"), "{message}");
    }

    #[test]
    fn every_truncation_is_refused_by_the_files_name() {
        for packed in [false, true] {
            let whole = files().map(|file| if packed { gzip(&file) } else { file });
            for part in 0..4 {
                for length in 0..whole[part].len() {
                    let mut cut = whole.clone();
                    cut[part].truncate(length);
                    let message = decode_files(&cut, &PLAIN).unwrap_err().to_string();
                    assert!(message.starts_with(&format!("part {part}: ")), "{length} bytes, gzip {packed}: {message}");
                }
            }
        }
    }

    /// Flipped, cut, lengthened or swapped bytes are read or refused, never a panic, and what is read is consistent.
    #[test]
    fn damaged_files_never_panic() {
        let mut rng = Philox::new(11, 0);
        let mut read = 0;
        for round in 0..20_000 {
            let mut files = files();
            if round % 4 == 0 {
                files = files.map(|file| gzip(&file));
            }
            for _ in 0..=rng.below(3) {
                let file = &mut files[rng.below(4) as usize];
                match rng.below(8) {
                    0 => file.truncate(rng.below(file.len() as u32 + 1) as usize),
                    1 => file.extend((0..rng.below(9)).map(|i| i as u8)),
                    _ if file.is_empty() => {}
                    2 => {
                        let at = rng.below(file.len() as u32) as usize;
                        file[at] = rng.next_u32() as u8;
                    }
                    _ => {
                        let at = rng.below(file.len() as u32) as usize;
                        file[at] ^= 1 << rng.below(8);
                    }
                }
            }
            let letters = Convention { labelling: Labelling::of("emnist", Some("letters")), transposed: true };
            let convention = if round % 3 == 0 { &letters } else { &PLAIN };
            if let Ok(set) = decode_files(&files, convention) {
                read += 1;
                for split in [&set.train, &set.test] {
                    assert_eq!(split.pixels.len(), split.len() * set.image.pixels());
                    assert!(split.labels.iter().all(|&label| usize::from(label) < set.classes.len()));
                }
            }
        }
        assert!(read > 1000, "only {read} rounds reached the bodies");
    }
}
