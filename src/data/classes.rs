//! Names of the classes, and how stored labels become class indices, for data sets known by name.

/// Names of CIFAR-10's classes, in label order.
pub(super) const CIFAR_10: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const FASHION_MNIST: [&str; 10] =
    ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// Romanized hiragana.
const KMNIST: [&str; 10] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"];

/// How the labels of an IDX data set are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labelling {
    /// The label stored for class 0.
    pub first: u8,
    /// Names of the classes in label order; none where the labels themselves must tell how many there are.
    pub names: Option<Vec<String>>,
}

impl Labelling {
    /// Of the data set called `name`, or of EMNIST's split `emnist`.
    pub fn of(name: &str, emnist: Option<&str>) -> Self {
        let letters = |names: &str| Some(names.chars().map(String::from).collect());
        let words = |names: [&str; 10]| Some(names.map(String::from).to_vec());
        let names = match (emnist, name) {
            (Some("letters"), _) => {
                return Labelling { first: 1, names: letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ") };
            }
            (Some("byclass"), _) => letters("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
            // Lower-case letters that look like their capitals are merged with them.
            (Some("bymerge" | "balanced"), _) => letters("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
            (Some("digits" | "mnist"), _) | (None, "mnist") => letters("0123456789"),
            (None, "fashion-mnist") => words(FASHION_MNIST),
            (None, "kmnist") => words(KMNIST),
            _ => None,
        };
        Labelling { first: 0, names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emnist_splits_have_their_published_numbers_of_classes() {
        for (split, classes) in
            [("byclass", 62), ("bymerge", 47), ("balanced", 47), ("letters", 26), ("digits", 10), ("mnist", 10)]
        {
            assert_eq!(Labelling::of("emnist", Some(split)).names.unwrap().len(), classes, "{split}");
        }
    }
}
