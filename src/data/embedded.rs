//! MNIST inside the program, so that a first run needs no download.

use super::Dataset;
use super::classes::Labelling;
use super::idx::{self, Convention, Stored, StoredSplit};
use crate::Result;

/// All of MNIST, 60,000 training and 10,000 test images of 28 x 28 (origin: `assets/mnist/README.md`).
pub(super) fn mnist() -> Result<Dataset> {
    let stored = |path: &str, bytes: &'static [u8]| Stored { path: path.into(), bytes };
    let train = StoredSplit {
        images: stored("embedded train-images-idx3-ubyte.gz", gatewright_mnist_train::IMAGES),
        labels: stored("embedded train-labels-idx1-ubyte.gz", gatewright_mnist_train::LABELS),
    };
    let test = StoredSplit {
        images: stored(
            "embedded t10k-images-idx3-ubyte.gz",
            include_bytes!("../../assets/mnist/t10k-images-idx3-ubyte.gz"),
        ),
        labels: stored(
            "embedded t10k-labels-idx1-ubyte.gz",
            include_bytes!("../../assets/mnist/t10k-labels-idx1-ubyte.gz"),
        ),
    };
    let convention = Convention { labelling: Labelling::of("mnist", None), transposed: false };
    idx::decode("mnist", &convention, train, test)
}
