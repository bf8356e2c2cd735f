//! Downloads of known data sets: resumed where they were cut, checked by sha256 before a file gets its name.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::{Error, Result, files};

/// Attempts that may fail in a row without a byte arriving.
const MOST_FAILURES: u32 = 3;
/// How long a server may take to be reached, and then to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one attempt may receive; the next goes on from there, so slow servers only take more attempts.
const ATTEMPT: Duration = Duration::from_secs(300);
/// Longest file that is received, in bytes.
const MOST_BYTES: u64 = 4 << 30;

/// A data set that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its files.
    pub files: Vec<RemoteFile>,
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Where it lies.
    pub url: String,
    /// What it is called here.
    pub name: String,
    /// Its sha256, 64 lower-case digits.
    pub sha256: String,
    /// The files to unpack where it is a .tar.gz: a folder in it, and names in that folder. It is removed then.
    pub unpack: Option<(String, Vec<String>)>,
}

impl Remote {
    /// The data set called `name`, from its public home; `None` if it has none here.
    pub fn named(name: &str) -> Option<Remote> {
        let idx = |home: &str, sums: [&str; 4]| {
            let names = [
                "train-images-idx3-ubyte.gz",
                "train-labels-idx1-ubyte.gz",
                "t10k-images-idx3-ubyte.gz",
                "t10k-labels-idx1-ubyte.gz",
            ];
            let file = |(name, sum): (&str, &str)| RemoteFile {
                url: format!("{home}/{name}"),
                name: name.into(),
                sha256: sum.into(),
                unpack: None,
            };
            Remote { files: names.into_iter().zip(sums).map(file).collect() }
        };
        let cifar = |name: &str, sum: &str, folder: &str, names: &[&str]| Remote {
            files: vec![RemoteFile {
                url: format!("https://www.cs.toronto.edu/~kriz/{name}"),
                name: name.into(),
                sha256: sum.into(),
                unpack: Some((folder.into(), names.iter().map(|n| n.to_string()).collect())),
            }],
        };
        Some(match name {
            "mnist" => idx(
                "https://ossci-datasets.s3.amazonaws.com/mnist",
                [
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ],
            ),
            "fashion-mnist" => idx(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
                [
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                ],
            ),
            "kmnist" => idx(
                "https://codh.rois.ac.jp/kmnist/dataset/kmnist",
                [
                    "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
                    "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
                    "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
                    "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
                ],
            ),
            "cifar-10" => cifar(
                "cifar-10-binary.tar.gz",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                "cifar-10-batches-bin",
                &[
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin",
                    "test_batch.bin",
                    "batches.meta.txt",
                ],
            ),
            "cifar-100" => cifar(
                "cifar-100-binary.tar.gz",
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                "cifar-100-binary",
                &["train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"],
            ),
            _ => return None,
        })
    }

    /// The same files under another address.
    pub fn mirrored(mut self, mirror: &str) -> Remote {
        for file in &mut self.files {
            file.url = format!("{}/{}", mirror.trim_end_matches('/'), file.name);
        }
        self
    }

    /// Bring every file that is not there yet into `folder`, which is made. `progress` is told a file's name, its bytes so
    /// far, and all of its bytes where the server says.
    ///
    /// # Errors
    /// [`Error::Run`] if a file cannot be had or has another sha256; what has arrived stays as `<name>.part` and the next
    /// attempt goes on from it, unless its sum is wrong.
    pub fn fetch(&self, folder: &Path, progress: &mut dyn FnMut(&str, u64, Option<u64>)) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        for file in &self.files {
            let path = folder.join(&file.name);
            if let Some((inner, names)) = &file.unpack {
                if names.iter().all(|name| folder.join(inner).join(name).is_file()) {
                    continue;
                }
                file.bring(&path, progress)?;
                unpack(&path, &folder.join(inner), inner, names)?;
                std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            } else {
                file.bring(&path, progress)?;
            }
        }
        Ok(())
    }
}

impl RemoteFile {
    /// Make `path` hold the file, unless it does already.
    fn bring(&self, path: &Path, progress: &mut dyn FnMut(&str, u64, Option<u64>)) -> Result<()> {
        if path.is_file() && sha256(path)? == self.sha256 {
            return Ok(());
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        self.receive(&part, progress)?;
        let sum = sha256(&part)?;
        if sum != self.sha256 {
            std::fs::remove_file(&part).map_err(|e| Error::io("remove", &part, e))?;
            return Err(Error::Run(format!(
                "{} has the sha256 {sum}, it should be {}; it was removed, try again or name another --mirror",
                self.url, self.sha256
            )));
        }
        std::fs::rename(&part, path).map_err(|e| Error::io("rename", &part, e))
    }

    /// Make `part` hold as many bytes as the server has, going on from those that are there.
    fn receive(&self, part: &Path, progress: &mut dyn FnMut(&str, u64, Option<u64>)) -> Result<()> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_recv_body(Some(ATTEMPT))
            .http_status_as_error(false)
            .build()
            .into();
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(part)
            .map_err(|e| Error::io("create", part, e))?;
        let mut failures = 0;
        loop {
            let before = file.seek(SeekFrom::End(0)).map_err(|e| Error::io("write", part, e))?;
            match self.attempt(&agent, part, &mut file, before, progress)? {
                Ok(()) => return file.sync_all().map_err(|e| Error::io("write", part, e)),
                Err(problem) => {
                    let after = file.seek(SeekFrom::End(0)).map_err(|e| Error::io("write", part, e))?;
                    failures = if after > before { 0 } else { failures + 1 };
                    if failures == MOST_FAILURES {
                        return Err(Error::Run(format!(
                            "{} could not be fetched: {problem}; {after} bytes are kept, try again or name a --mirror",
                            self.url
                        )));
                    }
                }
            }
        }
    }

    /// One request for what follows the first `have` bytes; the inner error is a problem of the network, in words.
    fn attempt(
        &self,
        agent: &ureq::Agent,
        part: &Path,
        file: &mut File,
        have: u64,
        progress: &mut dyn FnMut(&str, u64, Option<u64>),
    ) -> Result<std::result::Result<(), String>> {
        let mut request = agent.get(&self.url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(e) => return Ok(Err(e.to_string())),
        };
        let failed = |e| Error::io("write", part, e);
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok().map(String::from));
        let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
        let mut have = have;
        match response.status().as_u16() {
            206 if header("content-range").is_some_and(|range| range.starts_with(&format!("bytes {have}-"))) => {}
            // The whole file, from a server that resumes nothing or otherwise than asked.
            200 => {
                file.set_len(0).map_err(failed)?;
                file.seek(SeekFrom::Start(0)).map_err(failed)?;
                have = 0;
            }
            // Nothing follows: all bytes are there.
            416 => return Ok(Ok(())),
            status if status / 100 == 2 => {
                file.set_len(0).map_err(failed)?;
                return Ok(Err(format!("the server answers {status} to a request for a part")));
            }
            status => return Ok(Err(format!("the server answers {status}"))),
        }
        let total = length.map(|length| length + have);
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            progress(&self.name, have, total);
            match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => file.write_all(&buffer[..n]).map_err(failed)?,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Ok(Err(format!("the connection was cut ({e})"))),
            }
            have = file.stream_position().map_err(failed)?;
            if have > MOST_BYTES {
                return Ok(Err(format!("it is longer than {MOST_BYTES} bytes")));
            }
        }
        match total {
            Some(total) if have < total => Ok(Err(format!("the connection was cut after {have} of {total} bytes"))),
            _ => Ok(Ok(())),
        }
    }
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(|e| Error::io("read", path, e))? {
            0 => return Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => sum.update(&buffer[..n]),
        }
    }
}

/// Take the files called `names` out of the folder `inner` of the .tar.gz at `archive` into the folder `into`.
fn unpack(archive: &Path, into: &Path, inner: &str, names: &[String]) -> Result<()> {
    let damaged = |e: std::io::Error| Error::input(archive, format!("the archive cannot be unpacked ({e})"));
    std::fs::create_dir_all(into).map_err(|e| Error::io("create", into, e))?;
    let file = BufReader::new(File::open(archive).map_err(|e| Error::io("read", archive, e))?);
    let mut packed = tar::Archive::new(GzDecoder::new(file));
    let mut missing: Vec<&String> = names.iter().collect();
    for entry in packed.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let found = missing.iter().position(|name| path == Path::new(inner).join(name));
        let Some(found) = found.filter(|_| entry.header().entry_type().is_file()) else { continue };
        let mut bytes = Vec::new();
        entry.take(MOST_BYTES).read_to_end(&mut bytes).map_err(damaged)?;
        files::write_whole(&into.join(missing.swap_remove(found)), &bytes)?;
    }
    match missing.first() {
        Some(name) => Err(Error::input(archive, format!("it holds no {inner}/{name}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sets_have_whole_sums() {
        for name in ["mnist", "fashion-mnist", "kmnist", "cifar-10", "cifar-100"] {
            for file in Remote::named(name).unwrap().files {
                assert!(file.url.ends_with(&file.name), "{file:?}");
                let digits = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                assert!(file.sha256.len() == 64 && file.sha256.chars().all(digits), "{file:?}");
            }
        }
        assert_eq!(Remote::named("imagenet"), None);
        let mirrored = Remote::named("mnist").unwrap().mirrored("http://here/");
        assert_eq!(mirrored.files[0].url, "http://here/train-images-idx3-ubyte.gz");
    }
}
