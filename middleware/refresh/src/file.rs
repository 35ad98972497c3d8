//! Files that are read without waiting for anybody.

use std::{
    fs::{self, File, Metadata},
    io,
    path::Path,
};

/// Opens a file to read it, if it is a regular one: nothing that keeps its reader waiting until somebody writes, as a pipe
/// does, and nothing that never ends, as some devices do. It may still take its time, where it is on a mount that does not
/// answer.
///
/// ```
/// use std::io::ErrorKind;
/// use tower_identity_refresh::open_regular;
///
/// let refused = open_regular(std::env::temp_dir()).expect_err("a folder");
/// assert_eq!(refused.kind(), ErrorKind::IsADirectory);
/// ```
///
/// # Errors
///
/// As of [`File::open`]; [`IsADirectory`](io::ErrorKind::IsADirectory); [`Unsupported`](io::ErrorKind::Unsupported) for
/// anything else that is no regular file.
pub fn open_regular(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    // Before it is opened: to open a device may do something.
    regular(&fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    // To open a pipe that was put there since would wait for its writer.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    match (metadata.is_file(), metadata.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(io::ErrorKind::IsADirectory.into()),
        (false, false) => Err(io::Error::new(io::ErrorKind::Unsupported, "it is no regular file")),
    }
}

#[cfg(all(test, unix, not(loom)))]
mod tests {
    use std::{io::Read, process::Command};

    use super::*;

    #[test]
    fn a_pipe_is_refused_at_once_and_a_file_is_read() {
        let folder = std::env::temp_dir().join(format!("tower-identity-refresh-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (pipe, file, link) = (folder.join("pipe"), folder.join("file"), folder.join("link"));
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("it runs").success());
        fs::write(&file, "text").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");

        let refused = |path: &Path| open_regular(path).map(drop).map_err(|error| error.kind());
        assert_eq!(refused(&pipe), Err(io::ErrorKind::Unsupported));
        assert_eq!(refused(Path::new("/dev/zero")), Err(io::ErrorKind::Unsupported));
        assert_eq!(refused(&folder), Err(io::ErrorKind::IsADirectory));
        assert_eq!(refused(&folder.join("nothing")), Err(io::ErrorKind::NotFound));
        for path in [file, link] {
            let mut text = String::new();
            open_regular(path).and_then(|mut file| file.read_to_string(&mut text)).expect("read");
            assert_eq!(text, "text");
        }
        fs::remove_dir_all(folder).expect("removed");
    }
}
