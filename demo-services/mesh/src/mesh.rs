//! Starting and stopping the programs in one process.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use demo_kit::{Listener, Serving, StartError, Watch, listen};
use tokio::{sync::oneshot, task::JoinHandle};
use tower_identity::{ClientTls, Settings};

use crate::{
    files::{Addresses, Files, Moved, Part},
    mtls::Certificates,
    rollout::Rollout,
    variation::Variation,
};

/// The mesh at work.
#[derive(Debug)]
pub struct Mesh {
    running: Vec<Running>,
    /// In the order of the parts.
    files: Vec<Moved>,
    directory: PathBuf,
    variation: Variation,
    /// Where every hop is over mutual TLS.
    certificates: Option<Certificates>,
}

/// One change of a program's file: what it says, and what it is to say instead.
pub(crate) type Change<'a> = (Part, (&'a str, &'a str));

/// Whoever watches each of them.
type Watching<'a> = &'a (dyn Fn(Part) -> Option<Watch> + Sync);

/// Nobody does.
const UNWATCHED: Watching<'static> = &|_| None;

#[derive(Debug)]
struct Running {
    part: Part,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

/// What to change the address with where that is whichever is free.
const ANY_PORT: &str = "nothing: any port will do";

impl Mesh {
    /// Starts all of them from the files in a directory; `option` is what the user would change the addresses with.
    ///
    /// All files are checked and all addresses are bound before anything is served. On return each program answers:
    /// what connects before it is served waits in its listener.
    ///
    /// # Errors
    ///
    /// [`StartError`] when a file is wrong or an address is taken. Nothing is left running then.
    pub async fn start(directory: &Path, addresses: Addresses, option: &'static str) -> Result<Self, StartError> {
        Self::start_varied(directory, Variation::default(), addresses, option).await
    }

    /// The same, otherwise than the files say.
    ///
    /// # Errors
    ///
    /// [`StartError`] likewise, and when a file has not what would be otherwise.
    pub async fn start_varied(
        directory: &Path,
        variation: Variation,
        addresses: Addresses,
        option: &'static str,
    ) -> Result<Self, StartError> {
        Self::start_changed(directory, (variation, &[]), addresses, option, UNWATCHED).await
    }

    /// The same under watch.
    pub(crate) async fn start_watched(
        directory: &Path,
        variation: Variation,
        addresses: Addresses,
        option: &'static str,
        watching: Watching<'_>,
    ) -> Result<Self, StartError> {
        Self::start_changed(directory, (variation, &[]), addresses, option, watching).await
    }

    async fn start_changed(
        directory: &Path,
        (variation, changes): (Variation, &[Change<'_>]),
        addresses: Addresses,
        option: &'static str,
        watching: Watching<'_>,
    ) -> Result<Self, StartError> {
        let files = Files::read(directory, &variation.changes(), changes)?;
        let mut listeners: Vec<Listener> = Vec::new();
        for (part, address) in files.addresses(addresses) {
            listeners.push(listen(address, option).await?.watched(watching(part)));
        }
        let listening = listeners.iter().map(Listener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let certificates = match variation.mtls {
            true => Some(Certificates::for_listeners_at(&listening.iter().map(SocketAddr::ip).collect::<Vec<_>>())?),
            false => None,
        };
        let tables = certificates.as_ref().map(|made| move |part| made.tables(part, variation));
        let files = files.moved(&listening, tables.as_ref().map(|tables| tables as _))?;

        let mut checked = Vec::new();
        for ((part, listener), file) in Part::ALL.into_iter().zip(listeners).zip(&files) {
            checked.push(Checked::new(part, listener, &file.settings)?);
        }
        let directory = directory.to_owned();
        let running = checked.into_iter().map(Checked::serve).collect();
        Ok(Self { running, files, directory, variation, certificates })
    }

    /// Starts a program once more, at a port of its own and from a file that it follows, and gives its origin.
    pub(crate) async fn start_following(&mut self, part: Part) -> Result<(String, Rollout), StartError> {
        let rollout = Rollout::of(part.name(), self.files[part as usize].alone(&self.directory)?)?;
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), ANY_PORT).await?;
        let checked = Checked::new(part, listener, rollout.settings())?;
        let origin = self.origin_at(checked.address);
        self.running.push(checked.serve());
        Ok((origin, rollout))
    }

    /// Starts all of them once more, at ports that are free and with these further changes to their files.
    pub(crate) async fn start_another_mesh(&self, changes: &[Change<'_>]) -> Result<Self, StartError> {
        let free = Addresses { ip: None, first_port: Some(0) };
        Self::start_changed(&self.directory, (self.variation, changes), free, ANY_PORT, UNWATCHED).await
    }

    /// Starts a program once more, at a port of its own and with one change to its file, and gives its origin.
    pub(crate) async fn start_another(&mut self, part: Part, change: (&str, &str)) -> Result<String, StartError> {
        let file = self.files[part as usize].changed(change)?;
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), ANY_PORT).await?;
        let checked = Checked::new(part, listener, &file.settings)?;
        let origin = self.origin_at(checked.address);
        self.running.push(checked.serve());
        Ok(origin)
    }

    /// Where a program listens, as an origin; `None` once it was stopped.
    #[must_use]
    pub fn origin(&self, part: Part) -> Option<String> {
        self.running.iter().find(|running| running.part == part).map(|running| self.origin_at(running.address))
    }

    fn origin_at(&self, address: SocketAddr) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// How somebody connects to its programs who has the certificate of one of them, or none; nothing where they listen without
    /// TLS.
    pub(crate) fn connecting_as(&self, part: Option<Part>) -> Result<Option<ClientTls>, StartError> {
        let tls = self.certificates.as_ref().map(|certificates| certificates.connecting_as(part)).transpose();
        Ok(tls.map_err(io::Error::other)?)
    }

    /// The certificates of its programs, where they listen with TLS.
    pub(crate) fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// How it differs from what its files say.
    pub(crate) fn variation(&self) -> Variation {
        self.variation
    }

    /// What a program was started from.
    pub(crate) fn settings(&self, part: Part) -> &Settings {
        &self.files[part as usize].settings
    }

    /// Stops one program: it takes no new connection, answers what it was asked, and is gone.
    ///
    /// # Errors
    ///
    /// When it had already failed.
    pub async fn stop_one(&mut self, part: Part) -> io::Result<()> {
        let Some(at) = self.running.iter().position(|running| running.part == part) else { return Ok(()) };
        self.running.swap_remove(at).stop().await
    }

    /// Stops what still runs, all at once.
    ///
    /// # Errors
    ///
    /// The first failure of a program.
    pub async fn stop(self) -> io::Result<()> {
        let (stops, served): (Vec<_>, Vec<_>) =
            self.running.into_iter().map(|running| (running.stop, running.served)).unzip();
        drop(stops);
        for served in served {
            served.await??;
        }
        Ok(())
    }
}

/// A program that can be served.
struct Checked {
    part: Part,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: Serving,
}

impl Checked {
    fn new(part: Part, listener: Listener, settings: &Settings) -> Result<Self, StartError> {
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // A sender that is dropped stops the program too: nobody could stop it later.
            let _ = stopped.await;
        };
        let address = listener.local_addr()?;
        Ok(Self {
            part,
            address,
            stop,
            serving: part.run()(settings, listener.with_tls_of(settings)?, Box::pin(stopped))?,
        })
    }

    fn serve(self) -> Running {
        let Self { part, address, stop, serving } = self;
        Running { part, address, stop, served: tokio::spawn(serving) }
    }
}

impl Running {
    async fn stop(self) -> io::Result<()> {
        drop(self.stop);
        self.served.await?
    }
}
