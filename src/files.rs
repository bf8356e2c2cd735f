//! Files that are written whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// Write `bytes` to a file beside `path`, flush it to disk, then rename it to `path`. On failure nothing stays.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.part", std::process::id()));
    let aside = Path::new(&aside);
    let written = (|| {
        let mut file = std::fs::File::create(aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(aside, path)
    })();
    written.map_err(|e| {
        // What could not be written may not be removable either; the first error is the one to tell.
        let _ = std::fs::remove_file(aside);
        Error::io("write", path, e)
    })
}
