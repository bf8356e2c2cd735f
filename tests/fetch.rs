//! Downloads against a server of this test's own, which cuts, redirects, lies and dawdles.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatewright::data::{Coding, Options, Remote, RemoteFile, open_with};
use sha2::{Digest, Sha256};

/// How a server treats requests.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Whole files, and parts where asked for.
    Plain,
    /// Promises everything and closes after `0` bytes of each answer.
    Cut(usize),
    /// The same, and knows of no parts.
    CutWhole(usize),
    /// Sends to `/moved/…` first.
    Redirect,
    /// A few bytes at a time.
    Slow,
    /// Answers 503.
    Refuse,
    /// Answers 206 with another part than asked for.
    WrongPart,
}

/// Paths asked for, each with where its range begins.
type Asked = Vec<(String, Option<usize>)>;

/// A server of `files` (path and content) on a port of its own; it lives as long as the test.
struct Server {
    address: String,
    asked: Arc<Mutex<Asked>>,
}

impl Server {
    fn new(manner: Manner, files: Vec<(String, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that has seen enough may close at any time.
                let _ = answer(stream, manner, &files, &log);
            }
        });
        Server { address, asked }
    }

    fn asked(&self) -> Asked {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    manner: Manner,
    files: &[(String, Vec<u8>)],
    log: &Mutex<Asked>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let path = lines.next().unwrap_or(Ok(String::new()))?.split(' ').nth(1).unwrap_or("").to_string();
    let mut from = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse::<usize>().ok();
        }
    }
    log.lock().unwrap().push((path.clone(), from));
    if manner == Manner::Refuse {
        return stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if manner == Manner::Redirect && !path.starts_with("/moved") {
        let head =
            format!("HTTP/1.1 302 Found\r\nLocation: /moved{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return stream.write_all(head.as_bytes());
    }
    let path = path.trim_start_matches("/moved");
    let Some((_, content)) = files.iter().find(|(name, _)| name == path) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let from = if matches!(manner, Manner::CutWhole(_)) { None } else { from };
    if from.is_some_and(|from| from >= content.len()) {
        return stream
            .write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let body = &content[from.unwrap_or(0)..];
    let status = match from {
        Some(from) => {
            let told = if manner == Manner::WrongPart { from + 1 } else { from };
            format!("206 Partial Content\r\nContent-Range: bytes {told}-{}/{}", content.len() - 1, content.len())
        }
        None => "200 OK".into(),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    match manner {
        Manner::Cut(most) | Manner::CutWhole(most) => stream.write_all(&body[..body.len().min(most)]),
        Manner::Slow => body.chunks(300).try_for_each(|chunk| {
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(chunk)?;
            stream.flush()
        }),
        _ => stream.write_all(body),
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 5,000 bytes that do not repeat.
fn content() -> Vec<u8> {
    (0..5000u32).map(|i| (i * i / 7) as u8).collect()
}

fn serve(manner: Manner) -> (Server, Remote) {
    let server = Server::new(manner, vec![("/file".into(), content())]);
    let url = format!("{}/file", server.address);
    let file = RemoteFile { url, name: "file".into(), sha256: sha256(&content()), unpack: None };
    (server, Remote { files: vec![file] })
}

#[test]
fn a_file_comes_whole_and_is_not_fetched_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (server, remote) = serve(Manner::Plain);
    let mut told = Vec::new();
    remote.fetch(folder.path(), &mut |name, have, total| told.push((name.to_string(), have, total))).unwrap();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), content());
    assert_eq!(told.last().unwrap(), &("file".to_string(), 5000, Some(5000)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap();
    assert_eq!(server.asked().len(), 1);
    // A damaged one is fetched again.
    fs::write(folder.path().join("file"), b"damaged").unwrap();
    remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), content());
}

#[test]
fn cut_connections_are_resumed_where_they_were_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (server, remote) = serve(Manner::Cut(1800));
    remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), content());
    let ranges: Vec<_> = server.asked().into_iter().map(|(_, from)| from).collect();
    assert_eq!(ranges, [None, Some(1800), Some(3600)]);

    // What an earlier attempt left is gone on from; a whole one is only verified.
    let folder = tempfile::tempdir().unwrap();
    let (server, remote) = serve(Manner::Plain);
    fs::write(folder.path().join("file.part"), &content()[..4000]).unwrap();
    remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap();
    assert_eq!(server.asked(), [("/file".to_string(), Some(4000))]);
    fs::rename(folder.path().join("file"), folder.path().join("file.part")).unwrap();
    remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), content());
}

#[test]
fn servers_that_resume_nothing_or_wrongly_are_survived_or_refused() {
    // Every answer is cut at the same place and begins anew: bytes arrive, so it is tried on, but never whole; the part
    // that is there grows no more.
    let folder = tempfile::tempdir().unwrap();
    let (_server, remote) = serve(Manner::CutWhole(1800));
    let told = remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap_err();
    assert_eq!(told.exit_code(), 1);
    assert!(told.to_string().contains("the connection was cut"), "{told}");
    assert!(!folder.path().join("file").exists());

    let folder = tempfile::tempdir().unwrap();
    let (_server, remote) = serve(Manner::WrongPart);
    fs::write(folder.path().join("file.part"), &content()[..4000]).unwrap();
    remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), content(), "the wrong part is thrown away");

    let (_server, remote) = serve(Manner::Refuse);
    let told = remote.fetch(folder.path(), &mut |_, _, _| ());
    assert!(told.is_ok(), "what is there already needs no server");
    let folder = tempfile::tempdir().unwrap();
    let told = remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap_err().to_string();
    assert!(told.contains("503") && told.contains("--mirror"), "{told}");
    let nobody =
        Remote { files: vec![RemoteFile { url: "http://127.0.0.1:1/file".into(), ..remote.files[0].clone() }] };
    assert!(nobody.fetch(folder.path(), &mut |_, _, _| ()).is_err());
}

#[test]
fn redirects_and_slow_servers_are_followed_to_the_end() {
    for manner in [Manner::Redirect, Manner::Slow] {
        let folder = tempfile::tempdir().unwrap();
        let (_server, remote) = serve(manner);
        remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap();
        assert_eq!(fs::read(folder.path().join("file")).unwrap(), content());
    }
}

#[test]
fn a_wrong_sum_never_gets_the_files_name() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, mut remote) = serve(Manner::Plain);
    remote.files[0].sha256 = sha256(b"something else");
    let told = remote.fetch(folder.path(), &mut |_, _, _| ()).unwrap_err().to_string();
    assert!(told.contains(&sha256(&content())) && told.contains("removed"), "{told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A .tar.gz of files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut archive = tar::Builder::new(packer);
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

#[test]
fn archives_are_unpacked_to_the_files_that_are_wanted() {
    let record: Vec<u8> = [1, 7].into_iter().chain([9; 3072]).collect();
    let packed = archive(&[
        ("cifar-100-binary/train.bin", &record),
        ("cifar-100-binary/test.bin", &record),
        ("outside/train.bin", b"passed over"),
        ("cifar-100-binary/readme.html", b"passed over"),
    ]);
    let server = Server::new(Manner::Cut(700), vec![("/a.tar.gz".into(), packed.clone())]);
    let names = ["train.bin", "test.bin"].map(String::from).to_vec();
    let file = RemoteFile {
        url: format!("{}/a.tar.gz", server.address),
        name: "a.tar.gz".into(),
        sha256: sha256(&packed),
        unpack: Some(("cifar-100-binary".into(), names)),
    };
    let remote = Remote { files: vec![file.clone()] };
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cifar-100");
    remote.fetch(&folder, &mut |_, _, _| ()).unwrap();
    let set =
        open_with("cifar-100", Some(root.path()), &Options::default(), Coding::Learned { thresholds: 3 }).unwrap();
    assert_eq!((set.train.labels, set.test.len()), (vec![7], 1));
    let mut left: Vec<_> =
        fs::read_dir(folder.join("cifar-100-binary")).unwrap().flatten().map(|e| e.file_name()).collect();
    left.sort();
    assert_eq!(left, ["test.bin", "train.bin"]);
    assert!(!folder.join("a.tar.gz").exists(), "the archive is not kept");
    let before = server.asked().len();
    remote.fetch(&folder, &mut |_, _, _| ()).unwrap();
    assert_eq!(server.asked().len(), before, "nothing is asked for again");

    let lacking = RemoteFile { unpack: Some(("cifar-100-binary".into(), vec!["none.bin".into()])), ..file };
    let told = Remote { files: vec![lacking] }.fetch(&folder, &mut |_, _, _| ()).unwrap_err().to_string();
    assert!(told.contains("holds no cifar-100-binary/none.bin"), "{told}");
}

#[test]
fn the_command_fetches_from_a_mirror_and_tells_what_goes_wrong() {
    let server = Server::new(Manner::Plain, vec![("/sets/train-images-idx3-ubyte.gz".into(), content())]);
    let root = tempfile::tempdir().unwrap();
    let fetch = |name: &str, mirror: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args(["data", "fetch", name, "--mirror", mirror, "--data-dir"])
            .arg(root.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // A mirror that holds something else is found out by the sum.
    let (code, told) = fetch("kmnist", &format!("{}/sets/", server.address));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"), "{told}");
    let (code, told) = fetch("kmnist", &format!("{}/nowhere", server.address));
    assert!(code == Some(1) && told.contains("404"), "{told}");
    let (code, told) = fetch("imagenet", "http://127.0.0.1:1");
    assert!(code == Some(2) && told.contains("cifar-100"), "{told}");
    let (code, told) = fetch("kmnist", "ftp://here");
    assert!(code == Some(2) && told.contains("http"), "{told}");
}
