//! Folders of pictures: a folder a class, or `train` and `test` over such folders.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::picture::{looks_like_picture, picture_extent, read_into};
use super::sources::{Samples, open_samples};
use super::truth::Truth;
use super::{Coding, Dataset, ImageShape, Note, Options};
use crate::{Error, Result};

/// Extensions of pictures; files of others are looked into.
const PICTURES: [&str; 12] = ["png", "jpg", "jpeg", "bmp", "pbm", "pgm", "ppm", "pnm", "gif", "webp", "tif", "tiff"];
/// Names of the folders of training samples and of test samples, in any case, the first that is there.
const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];
/// Most bytes of all images together.
const MOST_BYTES: usize = 8 << 30;
/// Most bytes of an image whose size is that of the pictures and not said: each becomes several inputs of a network.
const MOST_UNSAID: usize = 1 << 20;
/// Most bytes of an image.
const MOST_SAID: usize = 1 << 21;
/// Deepest folders within a class that are looked into; a link may lead in circles.
const DEEPEST: usize = 16;

/// What lies in a folder of classes.
#[derive(Default)]
struct Found {
    /// Every picture with its class, in order.
    files: Vec<(PathBuf, String)>,
    /// What was passed over.
    notes: Vec<Note>,
}

/// Whether `folder` holds folders of pictures.
pub(super) fn is_image_folder(folder: &Path) -> Result<bool> {
    Ok(!labelled(&part(folder, &TRAIN)?.unwrap_or_else(|| folder.to_owned()))?.files.is_empty())
}

/// Whether there are pictures in `folder` itself, of which none tells its class.
pub(super) fn has_loose_pictures(folder: &Path) -> Result<bool> {
    Ok(entries(folder)?.iter().any(|path| is_picture(path)))
}

/// Open the folder of folders at `path`.
///
/// Images are made as large as `options` say, or else as the first one is.
pub(super) fn open(path: &Path, name: &str, options: &Options, coding: Coding) -> Result<Dataset> {
    let train_folder = part(path, &TRAIN)?;
    let top = train_folder.clone().unwrap_or_else(|| path.to_owned());
    let test_folder = if train_folder.is_some() { part(path, &TEST)? } else { None };
    let mut train = labelled(&top)?;
    refuse_wrapped(&top, &train)?;
    if let Some(used) = train_folder.as_ref().map(|_| [Some(&top), test_folder.as_ref()]) {
        for other in entries(path)?.iter().filter(|p| p.is_dir() && !used.contains(&Some(p))) {
            train.notes.push(Note::warning(format!("the folder {} is passed over", other.display())));
        }
    }
    let test = options.test.clone().or(test_folder);
    let test = test.map(|folder| labelled(&folder).map(|found| (folder, found))).transpose()?;
    let (shape, stretched) = extent(&top, &train, options)?;
    train.notes.extend(stretched);
    let (folder, test) = test.unzip();
    let test = test.map(|found| read(folder.as_deref().unwrap_or(&top), found, shape, options)).transpose()?;
    let test = folder.as_deref().zip(test);
    open_samples(path, name, options, coding, read(&top, train, shape, options)?, test)
}

/// The folder in `folder` that is called like one of `names`.
fn part(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>> {
    let inside = entries(folder)?;
    let called = |name: &&str| {
        inside.iter().find(|p| p.is_dir() && p.file_name().is_some_and(|f| f.eq_ignore_ascii_case(name))).cloned()
    };
    Ok(names.iter().find_map(called))
}

/// What lies in `folder`, in order of names, but for what systems hide.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut names: Vec<OsString> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))? {
        names.push(entry.map_err(|e| Error::io("read", folder, e))?.file_name());
    }
    names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    path.is_file() && (PICTURES.contains(&&*extension) || looks_like_picture(path))
}

/// Every picture of every class's folder, and of the folders in it.
fn labelled(top: &Path) -> Result<Found> {
    let mut found = Found::default();
    let mut folders: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in entries(top)?.into_iter().filter(|path| path.is_dir()) {
        let class = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (mut pictures, mut others) = (Vec::new(), Vec::new());
        collect(&folder, 0, &mut pictures, &mut others)?;
        if let Some(first) = others.first() {
            let files = if others.len() == 1 { "file is" } else { "files are" };
            let first = first.strip_prefix(&folder).unwrap_or(first).display();
            let passed = format!("{} {files} passed over in {class}, e.g. {first}", others.len());
            found.notes.push(Note::warning(passed));
        }
        if pictures.is_empty() {
            found.notes.push(Note::warning(format!("the folder {class} holds no pictures and becomes no class")));
            continue;
        }
        if let Some(other) = folders.insert(class.clone(), folder.clone()) {
            let problem = format!("it cannot be told from {other:?}; rename one");
            return Err(Error::input(&folder, problem));
        }
        found.files.extend(pictures.into_iter().map(|file| (file, class.clone())));
    }
    Ok(found)
}

/// Sort what lies in `folder` and in folders in it into pictures and other files.
fn collect(folder: &Path, depth: usize, pictures: &mut Vec<PathBuf>, others: &mut Vec<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        if path.is_dir() && depth < DEEPEST {
            collect(&path, depth + 1, pictures, others)?;
        } else if is_picture(&path) {
            pictures.push(path);
        } else {
            others.push(path);
        }
    }
    Ok(())
}

/// Refuse a folder that holds nothing but the folder of the data set.
fn refuse_wrapped(top: &Path, found: &Found) -> Result<()> {
    let Some((first, class)) = found.files.first() else {
        return Err(Error::input(top, "it holds no folders of pictures; make one for each class"));
    };
    let folder = top.join(class);
    let is_alone = found.files.iter().all(|(_, other)| other == class);
    if is_alone && first.parent() != Some(&folder) {
        let problem = format!("its only folder of pictures, {class}, holds folders itself; name {}", folder.display());
        return Err(Error::input(top, problem));
    }
    Ok(())
}

/// The extent of the images: as said, or else as the pictures are; with a word on those of another one.
fn extent(top: &Path, found: &Found, options: &Options) -> Result<(ImageShape, Option<Note>)> {
    if let Some(fit) = options.fit {
        return Ok((fit.image, None));
    }
    let mut note = None;
    let (size, channels) = (options.size()?, options.channels()?);
    let shape = match (size, channels) {
        (Some((width, height)), Some(channels)) => ImageShape { channels, height, width },
        _ => {
            let extents: Result<Vec<ImageShape>> = found.files.par_iter().map(|(f, _)| picture_extent(f)).collect();
            let extents = extents?;
            let first = extents[0];
            let (width, height) = size.unwrap_or((first.width, first.height));
            let others = extents.iter().filter(|e| (e.width, e.height) != (first.width, first.height)).count();
            if size.is_none() && others > 0 {
                note = Some(Note::warning(format!(
                    "{others} of {} pictures are stretched to {width} x {height} pixels, the size of the first; --size \
                     chooses another",
                    extents.len()
                )));
            }
            let most = extents.iter().map(|e| e.channels).max().unwrap_or(1);
            ImageShape { channels: channels.unwrap_or(most), height, width }
        }
    };
    let most = if size.is_some() { MOST_SAID } else { MOST_UNSAID };
    if shape.pixels() > most {
        let problem = format!(
            "its pictures have {} x {} pixels, which is more than a network takes well ({most} bytes an image); choose a \
             size by --size, such as 64x{}",
            shape.width,
            shape.height,
            (64 * shape.height / shape.width).max(1)
        );
        return Err(Error::input(top, problem));
    }
    Ok((shape, note))
}

fn read(top: &Path, found: Found, shape: ImageShape, options: &Options) -> Result<Samples> {
    let Found { files, notes } = found;
    if files.is_empty() {
        return Err(Error::input(top, "it holds no folders of pictures; make one for each class"));
    }
    let bytes = files.len().checked_mul(shape.pixels()).filter(|&bytes| bytes <= MOST_BYTES);
    let Some(bytes) = bytes else {
        let problem = format!(
            "{} images of {} bytes are more than {MOST_BYTES} bytes; make them smaller by --size",
            files.len(),
            shape.pixels()
        );
        return Err(Error::input(top, problem));
    };
    let mut pixels = vec![0; bytes];
    let background = options.background.or(options.fit.map(|fit| fit.background)).unwrap_or_default();
    let images = pixels.par_chunks_exact_mut(shape.pixels()).zip(files.par_iter());
    images.try_for_each(|(image, (file, _))| read_into(file, shape, background, image))?;
    let truth = Truth::Classes(files.iter().map(|(_, class)| class).collect());
    Ok(Samples::Images { shape, pixels, called: vec!["labels".into()], truth, notes })
}
