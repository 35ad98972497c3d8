//! Settings that are read again while the service runs.
//!
//! ```text
//! the file ──another text, for a second──▶ well formed? nothing that waits for a restart? every rule kept?
//!                                             │ yes: the next generation, of verifier, rules and targets
//!                                             └ no: told once, the generation before it stays
//! ```

use std::{path::Path, sync::Arc};

use serde::de::DeserializeOwned;
use tower_identity_core::Clock;
use tower_identity_inbound::{AtEdge, AuthLayer, RuleHandle};
use tower_identity_outbound::Outbound;
use tower_identity_refresh::{Upkeep, system_clock};

pub use self::digest::SettingsDigest;
use self::state::State;
use super::{Settings, SettingsError, spiffe::Workload};

mod digest;
#[cfg(feature = "edge")]
mod edge;
mod hand_offs;
mod restart;
mod state;
mod telemetry;

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
/// or `[outbound]`, and the table `[edge]`. Tables of the service's own are read anew by [`section`](Self::section); what the service made of them
/// is its own matter. Whoever writes the file best renames a finished one into its place.
///
/// The file is looked at every five seconds, by its content, and another text counts when it has stood for a second. That
/// begins with the first request, or at once where there is a runtime, and ends with the last clone and the last layer that
/// these settings gave out. Files that the file names, such as those of secrets, are read anew with it; one that changes alone
/// takes a [`reload`](Self::reload). (A [list of callers](crate::rule::callers_file), the roots of certificates, the newest
/// key of `[edge]` and the files of [`ClientAuth`](crate::ClientAuth#files) are looked at by themselves.) A text that was refused is tried again every five seconds, so that a file which it names may come after
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
        Self::following(path.as_ref(), clock, Workload::default())
    }

    pub(super) fn following(path: &Path, clock: Clock, workload: Workload) -> Result<Self, SettingsError> {
        let state = Arc::new(State::read(path, clock, workload)?);
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
        self.state.rule(name)
    }

    /// A table of the service's own, as the file at work has it.
    ///
    /// # Errors
    ///
    /// As [`Settings::section`].
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        self.state.section(name)
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
        self.state.reload_now().map(|reloaded| reloaded.generation)
    }

    /// Which generation of settings is at work, counted from 1: one more for each reading that was taken.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.state.told().generation
    }

    /// What the settings at work say, for comparison.
    #[must_use]
    pub fn digest(&self) -> SettingsDigest {
        self.state.told().digest
    }
}

#[cfg(test)]
mod tests;
