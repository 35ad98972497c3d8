//! Settings that are read again while the service runs.
//!
//! ```text
//! the file ──another text, for a second──▶ well formed? nothing that waits for a restart? every rule kept?
//!                                             │ yes: the next generation, of verifier, rules and targets
//!                                             └ no: told once, the generation before it stays
//! ```

use std::{
    collections::BTreeSet,
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use serde::de::DeserializeOwned;
use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_inbound::{AtEdge, AuthLayer, RuleHandle, RuleSet};
use tower_identity_outbound::{Outbound, Replacement};
use tower_identity_refresh::{FileText, Upkeep, WatchedFile, blocking, system_clock};

pub use self::digest::SettingsDigest;
use self::restart::waits_for_restart;
use super::{Settings, SettingsError, document::Document, inbound::InboundTable, outbound::OutboundTable};

mod digest;
mod hand_offs;
mod restart;
mod telemetry;

/// The largest file that is read.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// A service's settings, read from a file when it starts and again while it runs. Clones are handles of the same.
///
/// What takes effect while the service runs: whose tokens are accepted and by which rules of verification (`issuer`,
/// `user_issuer`, `transaction_tokens` where there was one, `certificates`, `workload`, `trusted_caller`, `self_asserted`,
/// `handed_off_by`, `accept_may_act`, `max_token_bytes`,
/// `max_json_depth`, `remember` of `[inbound]`), and who may (`[inbound.rule]`, by [`rule`](Self::rule)). Every layer and handle that these settings gave
/// out has the new ones, from the next request on, and a request is judged by one generation of them, whole: nothing that
/// was verified by others is remembered. An issuer that is as it was goes on with its keys
/// ([`Verifier::replace`](crate::Verifier::replace)). And where the service calls on, with which tokens: `server`, `target`,
/// `plaintext`, `unlisted` and `strip_also` of `[outbound]`, for every client that the settings gave out; tokens of targets
/// that ask for what they asked for are kept ([`Outbound::replace`](crate::Outbound::replace)).
///
/// A file that breaks a rule is refused whole, and the settings before it stay: so does one that is empty, cut short or
/// gone, one without a rule that is in use, and one that changes what waits for a restart: any other field of `[inbound]`
/// or `[outbound]`. Tables of the service's own are read anew by [`section`](Self::section); what the service made of them
/// is its own matter. Whoever writes the file best renames a finished one into its place.
///
/// The file is looked at every five seconds, by its content, and another text counts when it has stood for a second. That
/// begins with the first request, or at once where there is a runtime, and ends with the last clone and the last layer that
/// these settings gave out. Files that the file names, such as those of secrets, are read anew with it; one that changes alone
/// takes a [`reload`](Self::reload). (A [list of callers](crate::rule::callers_file), the roots of certificates, and the files
/// of [`ClientAuth`](crate::ClientAuth#files) are looked at by themselves.) A text that was refused is tried again every five seconds, so that a file which it names may come after
/// it.
///
/// What comes of a text is told by one event of target `tower_identity::settings`: `settings reloaded`, with the generation
/// and the digest, or `settings refused`, with what is wrong.
///
/// ```
/// use tower_identity::{LiveSettings, RequireLayer};
///
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("orders.toml");
/// let issuer = "[[inbound.issuer]]\nissuer = 'https://login.example.com'\naudience = 'orders'\n";
/// let rule = |rule: &str| format!("[inbound.rule]\nplace_order = {rule}\n{issuer}");
/// std::fs::write(&file, rule("{ scope = 'orders:write' }"))?;
///
/// let settings = LiveSettings::from_path(&file)?;
/// let who_may = settings.rule("place_order")?;
/// let (outer, inner) = (settings.auth_layer()?, RequireLayer::new(who_may.clone()));
/// # let _ = (outer, inner);
///
/// std::fs::write(&file, rule("{ callers = ['storefront'] }"))?;
/// assert_eq!(settings.reload()?, 2); // or five seconds later
/// assert_eq!(who_may.current().to_string(), "a caller among storefront");
///
/// std::fs::write(&file, rule("{ callers = [] }"))?;
/// assert!(settings.reload().is_err());
/// assert_eq!((settings.generation(), who_may.current().to_string()), (2, "a caller among storefront".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LiveSettings {
    state: Arc<State>,
    /// Of the watcher, which owns the state.
    upkeep: Arc<Upkeep>,
}

struct State {
    file: Arc<WatchedFile>,
    name: String,
    /// As the service started with them. The verifier of these is the one whose settings are replaced.
    first: Settings,
    at_work: ArcSwap<AtWork>,
    /// Held while a reading is taken, on a thread that may block.
    reloading: Mutex<Reloading>,
}

/// One generation.
struct AtWork {
    document: Document,
    rules: RuleSet,
    told: Reloaded,
}

/// What a reading brought.
#[derive(Debug, Clone, Copy)]
struct Reloaded {
    generation: u64,
    digest: SettingsDigest,
}

#[derive(Default)]
struct Reloading {
    /// The newest reading that was taken or refused.
    number: u64,
    /// The rules that are in use.
    handles: BTreeSet<String>,
    /// That reading, where it was refused.
    refused: Option<Refused>,
}

/// A text that is none of settings, and why.
struct Refused {
    text: Result<Vec<u8>, io::ErrorKind>,
    error: String,
}

impl LiveSettings {
    /// Reads a file. Files that it names are looked for beside it. Needs no runtime.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file cannot be read or breaks a rule.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        Self::watched_by(path, system_clock())
    }

    /// The same, looked at by another clock.
    ///
    /// # Errors
    ///
    /// As [`from_path`](Self::from_path).
    pub fn watched_by(path: impl AsRef<Path>, clock: Clock) -> Result<Self, SettingsError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = Arc::new(WatchedFile::new(path, MAX_FILE_BYTES, clock));
        let FileText { text, number } = file.read();
        let text = readable(text, &name)?;
        let first = Settings::parse(&text, name.as_str())?;
        let document = Document::parse(&text, name.clone())?;
        let digest = SettingsDigest::of(&document.tables()?);
        let rules = first.inbound.as_ref().map(|inbound| inbound.rules.clone()).unwrap_or_default();
        let at_work = AtWork { document, rules, told: Reloaded { generation: 1, digest } };
        let reloading = Mutex::new(Reloading { number, ..Reloading::default() });
        let state = Arc::new(State { file, name, first, at_work: ArcSwap::from_pointee(at_work), reloading });
        let upkeep = Arc::new(Upkeep::new({
            let state = Arc::clone(&state);
            move || Arc::clone(&state).watch()
        }));
        upkeep.keep();
        Ok(Self { state, upkeep })
    }

    /// The settings as the service started with them, whose verifier follows the file all the same. Layers of
    /// [these](Self::auth_layer) keep the file looked at, layers of those do not.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.state.first
    }

    /// Begins to look at the file, where that is not under way: for a service that was made of [these](Self::settings), on the
    /// runtime that it runs on. Without a runtime nothing begins.
    pub fn watch(&self) {
        self.upkeep.keep();
    }

    /// As [`Settings::auth_layer`]; its verifier follows the file, which is looked at for as long as the layer is there.
    ///
    /// # Errors
    ///
    /// As [`Settings::auth_layer`].
    pub fn auth_layer(&self) -> Result<AuthLayer, SettingsError> {
        Ok(self.state.first.auth_layer()?.kept_by(Arc::clone(&self.upkeep)))
    }

    /// As [`Settings::edge_layer`]; its verifier follows the file, which is looked at for as long as the layer is there.
    ///
    /// # Errors
    ///
    /// As [`Settings::edge_layer`].
    pub fn edge_layer(&self) -> Result<AuthLayer<AtEdge>, SettingsError> {
        Ok(self.state.first.edge_layer()?.kept_by(Arc::clone(&self.upkeep)))
    }

    /// As [`Settings::outbound`]; its targets follow the file for as long as it is looked at.
    ///
    /// # Errors
    ///
    /// As [`Settings::outbound`].
    pub fn outbound(&self) -> Result<Outbound, SettingsError> {
        self.upkeep.keep();
        self.state.first.outbound()
    }

    /// The rule of this name in the `[inbound.rule]` table, as it stands at any time: for a
    /// [`RequireLayer`](crate::RequireLayer) within a layer of [these](Self::auth_layer). From now on a file without it is
    /// refused.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such rule.
    pub fn rule(&self, name: &str) -> Result<RuleHandle, SettingsError> {
        // No reading takes the rule away meanwhile.
        let mut reloading = self.state.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let inbound = self.state.first.inbound.as_ref();
        let handle = inbound.and_then(|inbound| RuleHandle::named(&inbound.verifier, name));
        let handle = handle.ok_or_else(|| self.state.at_work.load().document.no_rule(name))?;
        reloading.handles.insert(name.to_owned());
        Ok(handle)
    }

    /// A table of the service's own, as the file at work has it.
    ///
    /// # Errors
    ///
    /// As [`Settings::section`].
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        let at_work = self.state.at_work.load();
        at_work.document.table(name)?.ok_or_else(|| at_work.document.missing(name))
    }

    /// Reads the file now, whatever it says, and the files that it names: for a signal, or a secret that changed alone.
    /// Says which generation of settings is at work from now on. Blocks for as long as files take to be read.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file cannot be read, breaks a rule or changes what waits for a restart: the settings
    /// before it stay, all of them.
    pub fn reload(&self) -> Result<u64, SettingsError> {
        self.upkeep.keep();
        let outcome = self.state.reload(|| self.state.file.read());
        let outcome = outcome.unwrap_or_else(|| Ok(self.state.at_work.load().told));
        self.state.tell(&outcome);
        outcome.map(|reloaded| reloaded.generation)
    }

    /// Which generation of settings is at work, counted from 1: one more for each reading that was taken.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.state.at_work.load().told.generation
    }

    /// What the settings at work say, for comparison.
    #[must_use]
    pub fn digest(&self) -> SettingsDigest {
        self.state.at_work.load().told.digest
    }
}

impl State {
    /// Keeps the settings up to date for ever.
    async fn watch(self: Arc<Self>) {
        telemetry::at_work(&self.name, self.at_work.load().told.generation);
        let file = Arc::clone(&self.file);
        let take = |found| {
            let state = Arc::clone(&self);
            async move {
                let reading = Arc::clone(&state);
                if let Some(outcome) = blocking(move || reading.reload(|| found)).await.flatten() {
                    state.tell(&outcome);
                }
            }
        };
        let or_else = || {
            let state = Arc::clone(&self);
            async move {
                let again = Arc::clone(&state);
                if let Some(outcome) = blocking(move || again.retry()).await.flatten() {
                    state.tell(&outcome);
                }
            }
        };
        file.watch_or(take, or_else).await;
    }

    fn tell(&self, outcome: &Result<Reloaded, SettingsError>) {
        telemetry::read(&self.name, outcome, self.at_work.load().told.generation);
    }

    /// Takes what was found, or refuses it. Nothing where something newer was found meanwhile.
    fn reload(&self, found: impl FnOnce() -> FileText) -> Option<Result<Reloaded, SettingsError>> {
        let mut reloading = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let FileText { text, number } = found();
        if number <= reloading.number {
            return None;
        }
        reloading.number = number;
        let outcome = self.take(text.clone(), &reloading.handles);
        reloading.refused = outcome.as_ref().err().map(|error| Refused { text, error: error.to_string() });
        Some(outcome)
    }

    /// Takes the text that was refused, if one was: what it names may be there by now. Nothing where there is nothing to
    /// tell, because it is refused for the same reason.
    fn retry(&self) -> Option<Result<Reloaded, SettingsError>> {
        let mut reloading = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = reloading.refused.take()?;
        let outcome = self.take(before.text.clone(), &reloading.handles);
        let Err(error) = &outcome else { return Some(outcome) };
        let error = error.to_string();
        let is_news = error != before.error;
        reloading.refused = Some(Refused { error, ..before });
        is_news.then_some(outcome)
    }

    fn take(&self, text: Result<Vec<u8>, io::ErrorKind>, in_use: &BTreeSet<String>) -> Result<Reloaded, SettingsError> {
        let before = self.at_work.load_full();
        let document = Document::parse(&readable(text, &self.name)?, self.name.clone())?;
        let table = document.table::<InboundTable>("inbound")?;
        let outbound = document.table::<OutboundTable>("outbound")?;
        may_follow(&before.document, &document)?;
        // In order, and not yet in its place: that depends on the rest of the file.
        let targets = match (&self.first.outbound, outbound) {
            (Some(outbound), Some(table)) => {
                let placed = |invalid: InvalidSetting| document.locate(&invalid.within("outbound"));
                let next = table.builder(document.directory()).and_then(|builder| outbound.check(builder));
                Some(next.map_err(placed)?)
            }
            // A file that says nothing of calling on, as the one before it.
            _ => None,
        };
        let rules = match (&self.first.inbound, table) {
            (Some(inbound), Some(mut table)) => {
                let placed = |invalid: InvalidSetting| document.locate(&invalid.within("inbound"));
                let (verifier, rules) = table.live(document.directory()).map_err(placed)?;
                let rules = before.rules.succeeded_by(rules).map_err(placed)?;
                if let Some(name) = in_use.iter().find(|name| rules.get(name).is_none()) {
                    return Err(document.no_rule(name));
                }
                inbound.verifier.replace(verifier.beside(rules.clone())).map_err(placed)?;
                rules.tell_changes(&before.rules);
                rules
            }
            // A file that says nothing of callers, as the one before it.
            _ => before.rules.clone(),
        };
        targets.map(Replacement::take_effect);
        let digest = SettingsDigest::of(&document.tables()?);
        let told = Reloaded { generation: before.told.generation + 1, digest };
        self.at_work.store(Arc::new(AtWork { document, rules, told }));
        Ok(told)
    }
}

fn may_follow(before: &Document, now: &Document) -> Result<(), SettingsError> {
    let waits = waits_for_restart(&before.tables()?, &now.tables()?);
    waits.map_or(Ok(()), |waits| Err(now.locate(&waits)))
}

fn readable(text: Result<Vec<u8>, io::ErrorKind>, name: &str) -> Result<String, SettingsError> {
    let text = text.map_err(|kind| SettingsError::unreadable(name, kind.into()))?;
    if text.len() > MAX_FILE_BYTES {
        return Err(SettingsError::whole(name, format!("is larger than {MAX_FILE_BYTES} bytes")));
    }
    String::from_utf8(text).map_err(|_| SettingsError::whole(name, "is not text in UTF-8"))
}

/// Which file, and which generation of it.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.at_work.load().told;
        f.debug_struct("State").field("file", &self.name).field("at_work", &told).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
