//! Large files of a run that is over are kept compressed; readers take both.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// What is larger is compressed, in bytes.
pub const LARGE: u64 = 64 << 20;

fn compressed(path: &Path) -> PathBuf {
    path.with_added_extension("gz")
}

/// Compresses a file of more than `larger_than` bytes. It is there whole under one of its names at every moment.
///
/// # Errors
/// The file cannot be read, or the other not written; the file is left as it was then.
pub fn compress(path: &Path, larger_than: u64) -> io::Result<()> {
    if fs::metadata(path)?.len() <= larger_than {
        return Ok(());
    }
    let (target, unfinished) = (compressed(path), path.with_added_extension("gz.unfinished"));
    let mut from = BufReader::with_capacity(1 << 20, File::open(path)?);
    // Lines repeat so much that the quickest level takes nine tenths away.
    let mut to = GzEncoder::new(BufWriter::new(File::create(&unfinished)?), Compression::fast());
    io::copy(&mut from, &mut to)?;
    to.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&unfinished, &target)?;
    fs::remove_file(path)
}

/// Opens a file, or the compressed one in its place.
///
/// # Errors
/// Neither is there, or it cannot be opened.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::with_capacity(1 << 20, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Ok(file) = File::open(compressed(path)) else { return Err(error) };
            Ok(Box::new(BufReader::with_capacity(1 << 20, MultiGzDecoder::new(BufReader::new(file)))))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn text(path: &Path) -> String {
        let mut text = String::new();
        open(path).expect("it opens").read_to_string(&mut text).expect("it is read");
        text
    }

    #[test]
    fn large_file_is_read_as_before_under_its_old_name() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("history.ndjson");
        let lines = "{\"type\":\"end\",\"t_us\":1}\n".repeat(1_000);
        fs::write(&path, &lines).expect("write");
        compress(&path, 1_000_000).expect("small is left alone");
        assert!(path.exists());
        compress(&path, 1_000).expect("compresses");
        assert!(!path.exists() && compressed(&path).metadata().expect("it is there").len() < 1_000);
        assert_eq!(text(&path), lines);
    }

    #[test]
    fn file_that_is_nowhere_is_an_error_under_its_own_name() {
        let missing = open(Path::new("/nowhere/history.ndjson")).err().map(|error| error.kind());
        assert_eq!(missing, Some(io::ErrorKind::NotFound));
    }
}
