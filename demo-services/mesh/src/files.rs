//! The settings files of the programs.

use std::{
    borrow::Cow,
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use demo_kit::{Run, StartError};
use serde::Deserialize;
use tower_identity::{InvalidSetting, Settings};

use crate::mesh::Change;

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The authorization server.
    Authority,
    /// The edge.
    Storefront,
    /// The middle.
    Orders,
    /// The leaf.
    Payments,
    /// A credit check in another trust domain, with an authorization server of its own.
    Partner,
}

impl Part {
    /// All of them, in the order of their ports.
    pub const ALL: [Self; 5] = [Self::Authority, Self::Storefront, Self::Orders, Self::Payments, Self::Partner];

    /// Its name, and that of its file without `.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Storefront => "storefront",
            Self::Orders => "orders",
            Self::Payments => "payments",
            Self::Partner => "partner",
        }
    }

    pub(crate) fn run(self) -> Run {
        match self {
            Self::Authority => demo_authority::run,
            Self::Storefront => demo_storefront::run,
            Self::Orders => demo_orders::run,
            Self::Payments => demo_payments::run,
            Self::Partner => demo_partner::run,
        }
    }
}

/// Where the programs listen. By default, where their files say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The address, in place of the one in each file.
    pub ip: Option<IpAddr>,
    /// The first of five ports, in place of the ones in the files; 0 is five ports that are free.
    pub first_port: Option<u16>,
}

impl Addresses {
    /// Where a program listens whose file says `in_its_file`.
    fn of(self, part: Part, in_its_file: SocketAddr) -> SocketAddr {
        let port = match self.first_port {
            None => in_its_file.port(),
            Some(0) => 0,
            Some(first) => first.saturating_add(part as u16),
        };
        SocketAddr::new(self.ip.unwrap_or(in_its_file.ip()), port)
    }
}

/// The files of the programs, each with what it says about itself.
#[derive(Debug)]
pub(crate) struct Files {
    directory: PathBuf,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    part: Part,
    text: String,
    listen: SocketAddr,
}

#[derive(Deserialize)]
struct Listen {
    listen: SocketAddr,
}

impl Files {
    /// Reads and checks all of them, with these changes to them, and then with those, of which a file need not have what they
    /// would change.
    pub(crate) fn read(
        directory: &Path,
        changes: &[Change<'_>],
        where_it_is_so: &[Change<'_>],
    ) -> Result<Self, StartError> {
        let read = |part: Part| {
            let path = path_of(directory, part);
            let settings = Settings::from_path(&path)?;
            let listen = settings.section::<Listen>("service")?.listen;
            let mut text = std::fs::read_to_string(path)?;
            for (_, (from, to)) in changes.iter().filter(|(changed, _)| *changed == part) {
                if !text.contains(from) {
                    let rule = format!("goes without {from:?}, of which an option of the mesh makes something else");
                    return Err(settings.refuse(&InvalidSetting::new("service", rule)).into());
                }
                text = text.replace(from, to);
            }
            let of_it = where_it_is_so.iter().filter(|(changed, _)| *changed == part);
            let text = of_it.fold(text, |text, (_, (from, to))| text.replace(from, to));
            Ok(File { part, text, listen })
        };
        let files = Part::ALL.into_iter().map(read).collect::<Result<_, StartError>>()?;
        Ok(Self { directory: directory.to_owned(), files })
    }

    /// Where each program is to listen.
    pub(crate) fn addresses(&self, asked: Addresses) -> impl Iterator<Item = (Part, SocketAddr)> {
        self.files.iter().map(move |file| (file.part, asked.of(file.part, file.listen)))
    }

    /// The files of all once they listen at these addresses, in the order of the parts.
    ///
    /// The files name each other by address, and the authority is who it is by its address: so it is exchanged
    /// everywhere, in the text, where every line stays where it was. Of those that listen with TLS, the scheme is too, and what
    /// a file says of it is added at its end.
    pub(crate) fn moved(
        &self,
        listening: &[SocketAddr],
        tls: Option<&dyn Fn(Part) -> String>,
    ) -> Result<Vec<Moved>, StartError> {
        let moved = self.files.iter().zip(listening).map(|(file, now)| (file.listen.to_string(), now.to_string()));
        let with_scheme = |(from, to): (String, String)| (format!("http://{from}"), format!("https://{to}"));
        let origins = moved.clone().filter(|_| tls.is_some()).map(with_scheme);
        let moves: Vec<_> = origins.chain(moved).collect();
        let moved = |file: &File| {
            let path = path_of(&self.directory, file.part).display().to_string();
            let text = replaced(&file.text, &moves).into_owned();
            Moved::parse(text + &tls.map(|tables| tables(file.part)).unwrap_or_default(), path)
        };
        self.files.iter().map(moved).collect()
    }
}

/// A file as it is read by a program at another address.
#[derive(Debug)]
pub(crate) struct Moved {
    text: String,
    path: String,
    pub(crate) settings: Settings,
}

impl Moved {
    fn parse(text: String, path: String) -> Result<Self, StartError> {
        Ok(Self { settings: Settings::parse(&text, path.as_str())?, text, path })
    }

    /// What it says, where it does not matter where it lies: the keys that it names beside itself are named by their whole
    /// paths.
    pub(crate) fn alone(&self, directory: &Path) -> io::Result<String> {
        let keys = std::path::absolute(directory)?.join("keys").display().to_string();
        Ok(self.text.replace("\"keys/", &format!("\"{keys}/")))
    }

    /// The same, where it says something else.
    pub(crate) fn changed(&self, (from, to): (&str, &str)) -> Result<Self, StartError> {
        Self::parse(self.text.replace(from, to), self.path.clone())
    }
}

fn path_of(directory: &Path, part: Part) -> PathBuf {
    directory.join(part.name()).with_extension("toml")
}

/// Replaces each first string by its second, in one pass: what was put in is not replaced again.
fn replaced<'a>(text: &'a str, moves: &[(String, String)]) -> Cow<'a, str> {
    let mut result = String::new();
    let mut rest = text;
    let next = |rest: &str| moves.iter().filter_map(|(from, to)| Some((rest.find(from)?, from.len(), to))).min();
    while let Some((at, length, to)) = next(rest) {
        // A longer number that begins alike is another port.
        let whole = !rest[at + length..].starts_with(|next: char| next.is_ascii_digit());
        result.push_str(&rest[..at]);
        result.push_str(if whole { to } else { &rest[at..at + length] });
        rest = &rest[at + length..];
    }
    if result.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(result + rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_move_once_and_whole() {
        let moves = [("h:70", "h:71"), ("h:71", "h:72")].map(|(from, to)| (from.to_owned(), to.to_owned()));
        let cases =
            [("http://h:70 h:71", "http://h:71 h:72"), ("h:701 h:70/x", "h:701 h:71/x"), ("g:70", "g:70"), ("", "")];
        for (text, expected) in cases {
            assert_eq!(replaced(text, &moves), expected);
        }
    }
}
