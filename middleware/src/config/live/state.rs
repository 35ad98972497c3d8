//! Which settings are at work, and what takes their place.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use serde::de::DeserializeOwned;
use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_inbound::{RuleHandle, RuleSet};
use tower_identity_outbound::Replacement;
use tower_identity_refresh::{FileText, WatchedFile, blocking};

use super::{SettingsDigest, restart::waits_for_restart, telemetry};
use crate::{
    Settings, SettingsError,
    config::{document::Document, inbound::InboundTable, outbound::OutboundTable, spiffe::Workload},
};

/// The largest file that is read.
const MAX_FILE_BYTES: usize = 1024 * 1024;

pub(super) struct State {
    file: Arc<WatchedFile>,
    name: String,
    /// As the service started with them. The verifier of these is the one whose settings are replaced.
    pub(super) first: Settings,
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
pub(super) struct Reloaded {
    pub(super) generation: u64,
    pub(super) digest: SettingsDigest,
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

impl State {
    pub(super) fn read(path: &Path, clock: Clock, workload: Workload) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let file = Arc::new(WatchedFile::new(path, MAX_FILE_BYTES, clock));
        let FileText { text, number } = file.read();
        let text = readable(text, &name)?;
        let first = Settings::of(Document::parse(&text, name.clone())?, workload)?;
        let document = Document::parse(&text, name.clone())?;
        let digest = SettingsDigest::of(&document.tables()?);
        let rules = first.inbound.as_ref().map(|inbound| inbound.rules.clone()).unwrap_or_default();
        let at_work = AtWork { document, rules, told: Reloaded { generation: 1, digest } };
        let reloading = Mutex::new(Reloading { number, ..Reloading::default() });
        Ok(Self { file, name, first, at_work: ArcSwap::from_pointee(at_work), reloading })
    }

    pub(super) fn rule(&self, name: &str) -> Result<RuleHandle, SettingsError> {
        // No reading takes the rule away meanwhile.
        let mut reloading = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let inbound = self.first.inbound.as_ref();
        let handle = inbound.and_then(|inbound| RuleHandle::named(&inbound.verifier, name));
        let handle = handle.ok_or_else(|| self.at_work.load().document.no_rule(name))?;
        reloading.handles.insert(name.to_owned());
        Ok(handle)
    }

    pub(super) fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        let at_work = self.at_work.load();
        at_work.document.table(name)?.ok_or_else(|| at_work.document.missing(name))
    }

    pub(super) fn told(&self) -> Reloaded {
        self.at_work.load().told
    }

    pub(super) fn reload_now(&self) -> Result<Reloaded, SettingsError> {
        let outcome = self.reload(|| self.file.read()).unwrap_or_else(|| Ok(self.told()));
        self.tell(&outcome);
        outcome
    }

    /// Keeps the settings up to date for ever.
    pub(super) async fn watch(self: Arc<Self>) {
        telemetry::at_work(&self.name, self.told().generation);
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
        telemetry::read(&self.name, outcome, self.told().generation);
    }

    /// Takes what was found, or refuses it. Nothing where something newer was found meanwhile.
    pub(super) fn reload(&self, found: impl FnOnce() -> FileText) -> Option<Result<Reloaded, SettingsError>> {
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
                let next = table
                    .builder(document.directory(), &self.first.workload)
                    .and_then(|builder| outbound.check(builder));
                Some(next.map_err(placed)?)
            }
            // A file that says nothing of calling on, as the one before it.
            _ => None,
        };
        let rules = match (&self.first.inbound, table) {
            (Some(inbound), Some(mut table)) => {
                let placed = |invalid: InvalidSetting| document.locate(&invalid.within("inbound"));
                let (verifier, rules) = table.live(document.directory(), &self.first.workload).map_err(placed)?;
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
        f.debug_struct("State").field("file", &self.name).field("at_work", &self.told()).finish_non_exhaustive()
    }
}
