//! MNIST's 60,000 training samples, as gzip-compressed IDX files. Their origin and licence are in the readme.

/// `train-images-idx3-ubyte.gz`.
pub static IMAGES: &[u8] = include_bytes!("../train-images-idx3-ubyte.gz");

/// `train-labels-idx1-ubyte.gz`.
pub static LABELS: &[u8] = include_bytes!("../train-labels-idx1-ubyte.gz");
