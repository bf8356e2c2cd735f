//! Folders of pictures: a folder a class, or `train` and `test` over such folders.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::picture::{picture_extent, read_image};
use super::sources::{Samples, open_samples};
use super::truth::Truth;
use super::{Coding, Dataset, ImageShape, Options, file_names};
use crate::{Error, Result};

/// Extensions of pictures; other files are passed over.
const PICTURES: [&str; 12] = ["png", "jpg", "jpeg", "bmp", "pbm", "pgm", "ppm", "pnm", "gif", "webp", "tif", "tiff"];
/// Most bytes of all images together.
const MOST_BYTES: usize = 8 << 30;

/// Whether `folder` holds folders of pictures.
pub(super) fn is_image_folder(folder: &Path) -> Result<bool> {
    let top = if folder.join("train").is_dir() { folder.join("train") } else { folder.to_owned() };
    for class in folders(&top)? {
        if !pictures(&top.join(class))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Open the folder of folders at `path`.
///
/// Images are made as large as `options` say, or else as the first one is.
pub(super) fn open(path: &Path, name: &str, options: &Options, coding: Coding) -> Result<Dataset> {
    let inside = |part: &str| Some(path.join(part)).filter(|folder| folder.is_dir());
    let top = inside("train").unwrap_or_else(|| path.to_owned());
    let test = options.test.clone().or_else(|| inside("train").and_then(|_| inside("test")));
    let files = labelled(&top)?;
    let shape = match (options.size()?, options.channels()?) {
        (Some((width, height)), Some(channels)) => ImageShape { channels, height, width },
        (size, channels) => {
            let first = picture_extent(&files[0].0)?;
            let (width, height) = size.unwrap_or((first.width, first.height));
            ImageShape { channels: channels.unwrap_or(first.channels), height, width }
        }
    };
    let train = read(&top, files, shape)?;
    let test = match &test {
        Some(test) => Some((test.as_path(), read(test, labelled(test)?, shape)?)),
        None => None,
    };
    open_samples(path, name, options, coding, train, test)
}

/// Every picture of every class's folder, with its class.
fn labelled(top: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    for class in folders(top)? {
        files.extend(pictures(&top.join(&class))?.into_iter().map(|file| (file, class.clone())));
    }
    if files.is_empty() {
        return Err(Error::input(top, "it holds no folders of pictures; make one for each class"));
    }
    Ok(files)
}

fn folders(top: &Path) -> Result<Vec<String>> {
    let names = file_names(top)?;
    Ok(names.into_iter().filter(|name| !name.starts_with('.') && top.join(name).is_dir()).collect())
}

fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        PICTURES.contains(&&*extension) && path.is_file()
    };
    let names = file_names(folder)?.into_iter().filter(|name| !name.starts_with('.'));
    Ok(names.map(|name| folder.join(name)).filter(is_picture).collect())
}

fn read(top: &Path, files: Vec<(PathBuf, String)>, shape: ImageShape) -> Result<Samples> {
    let bytes = files.len().checked_mul(shape.pixels()).filter(|&bytes| bytes <= MOST_BYTES);
    if bytes.is_none() {
        let problem = format!(
            "{} images of {} bytes are more than {MOST_BYTES} bytes; make them smaller by --size",
            files.len(),
            shape.pixels()
        );
        return Err(Error::input(top, problem));
    }
    let images: Result<Vec<Vec<u8>>> = files.par_iter().map(|(file, _)| read_image(file, shape)).collect();
    let truth = Truth::Classes(files.into_iter().map(|(_, class)| class).collect());
    Ok(Samples::Images { shape, pixels: images?.concat(), called: vec!["labels".into()], truth })
}
