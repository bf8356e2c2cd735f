//! Files that are written whole or not at all.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::{Error, Result};

/// Ending of a file that is still being written.
const UNFINISHED: &str = "part";

/// Write `bytes` to a file beside `path`, flush it to disk, then rename it to `path` and flush the folder, so that `path`
/// holds the old content or the new one whatever happens. On failure nothing stays.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.{UNFINISHED}", std::process::id()));
    let aside = Path::new(&aside);
    let written = (|| {
        let mut file = File::create(aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(aside, path)?;
        sync_folder(path)
    })();
    written.map_err(|e| {
        // What could not be written may not be removable either; the first error is the one to tell.
        let _ = std::fs::remove_file(aside);
        Error::io("write", path, e)
    })
}

/// Flush the entry of `path` in its folder; only Unix systems can and need to.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            match File::open(folder).and_then(|folder| folder.sync_all()) {
                Err(e) if !cannot_flush_folders(&e) => Err(e),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Whether a file system that has no flushing of folders said so: some network, shared and user-space ones do. What is
/// written is whole there, too; only a power cut may take it back.
fn cannot_flush_folders(e: &std::io::Error) -> bool {
    /// EBADF, of file systems that flush nothing that is open for reading.
    const BAD_DESCRIPTOR: i32 = 9;
    matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied)
        || e.raw_os_error() == Some(BAD_DESCRIPTOR)
}

/// Whether `path` is what a killed [`write_whole`] leaves behind.
pub fn is_unfinished(path: &Path) -> bool {
    path.extension() == Some(OsStr::new(UNFINISHED))
}

/// Remove what killed writers left in `folder`. Nobody may be writing there.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))? {
        let path = entry.map_err(|e| Error::io("read", folder, e))?.path();
        if is_unfinished(&path) {
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(())
}
