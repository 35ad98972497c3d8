//! Credentials in files, which are read again while they are in use.
//!
//! ```text
//! read ──▶ what is presented ◀── every 2 s, beside the requests: is there another text? the same half a second later?
//!                                then its credential is in use, and those that are in no file any more are withdrawn
//! ```

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tower_identity_core::{Clock, InvalidSetting, SecretToken, WithCauses};
use tower_identity_refresh::{Posted, Upkeep, blocking};

use super::{
    telemetry,
    turns::{Standing, Turns, Used},
};
use crate::{SecretFileError, secret_file};

/// How often the files are looked at: by their content, for neither a file's time nor its inode says whether it changed,
/// and Kubernetes puts another folder in the place of the one that they are in.
const PERIOD: Duration = Duration::from_secs(2);

/// How long another text has to stand before it counts: whoever writes a file in place is done by then.
const SETTLED: Duration = Duration::from_millis(500);

/// The most files of one list.
const MAX_FILES: usize = 4;

/// What a file's text means, or why it means nothing, without a word of it.
pub(super) type Read<T> = Box<dyn Fn(&SecretToken) -> Result<T, String> + Send + Sync>;

/// Where one credential is: in a file, or in one and another beside it that count only together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    file: Arc<Path>,
    beside: Option<Box<Path>>,
    /// What is read in the file's place.
    posted: Option<Posted>,
}

impl Source {
    pub(super) fn file(file: &Path) -> Self {
        Self { file: file.into(), beside: None, posted: None }
    }

    pub(super) fn both(file: &Path, beside: &Path) -> Self {
        Self { beside: Some(beside.into()), ..Self::file(file) }
    }

    pub(super) fn posted(posted: &Posted) -> Self {
        Self { posted: Some(posted.clone()), ..Self::file(Path::new(posted.name())) }
    }

    /// All that is there.
    fn text(&self) -> Result<SecretToken, SecretFileError> {
        let text = match &self.posted {
            None => secret_file::text(&self.file)?,
            Some(posted) => secret_file::posted(posted)?,
        };
        match &self.beside {
            None => Ok(text),
            Some(beside) => {
                let beside = secret_file::text(beside)?;
                Ok(SecretToken::new([text.expose(), beside.expose()].join("\n")))
            }
        }
    }
}

/// One credential.
pub(super) struct Item<T> {
    pub(super) value: T,
    text: SecretToken,
    standing: Standing,
}

/// The credentials of a list of files, the newest first. With it go the tokens that were obtained by them, because nobody
/// looks at the files any more.
pub(super) struct Watched<T> {
    files: Box<[Source]>,
    read: Read<T>,
    /// Held for moments only, and never while a file is read.
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Of each file its text, or why there is none. None before the first time.
    found: Option<Vec<Found>>,
    /// Of each file the last that could be used.
    good: Vec<Option<Arc<Item<T>>>>,
    held: Held<T>,
}

/// What may be presented.
struct Held<T> {
    items: Vec<Arc<Item<T>>>,
    turns: Arc<Turns>,
}

type Found = Result<SecretToken, String>;

/// What came of a file that was read.
enum Outcome {
    Taken(usize),
    /// What was there before stays.
    Kept(usize, String),
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the files. Where `needed`, one that cannot be used is an error; of several, those that are not there or empty
    /// may come later, as long as there is one.
    pub(super) fn new(
        field: &'static str,
        files: impl IntoIterator<Item = Source>,
        read: Read<T>,
        needed: bool,
    ) -> Result<Arc<Self>, InvalidSetting> {
        let files: Box<[_]> = files.into_iter().collect();
        let several = files.len() > 1;
        let named = |at: usize, rule: String| match several {
            false => InvalidSetting::new(field, rule),
            true => InvalidSetting::new(at, rule).within(field),
        };
        if files.is_empty() {
            return Err(InvalidSetting::new(field, "is an empty list"));
        }
        if files.len() > MAX_FILES {
            return Err(InvalidSetting::new(field, format!("has more than {MAX_FILES} files")));
        }
        if let Some(at) = (1..files.len()).find(|at| files[..*at].contains(&files[*at])) {
            return Err(named(at, "is listed twice".to_owned()));
        }
        let held = Held { items: Vec::new(), turns: Arc::new(Turns::new([])) };
        let good = files.iter().map(|_| None).collect();
        let state = Mutex::new(State { found: None, good, held });
        let watched = Arc::new(Self { files, read, state });
        let found = watched.look().expect("nothing was found before");
        let is_there: Vec<_> = found.iter().map(Result::is_ok).collect();
        let outcomes = watched.take(&found);
        let nothing = watched.state().held.items.is_empty();
        for outcome in outcomes {
            if let Outcome::Kept(at, why) = outcome
                && (is_there[at] || nothing && needed)
            {
                return Err(named(at, why));
            }
        }
        Ok(watched)
    }

    /// The credential whose turn it is; none where there never was one.
    pub(super) fn pick(&self, refused: Option<&Used>) -> Option<(Arc<Item<T>>, Used)> {
        let Held { items, turns } = &self.state().held;
        let at = Used::turn(turns, refused.filter(|_| !items.is_empty()));
        let item = Arc::clone(items.get(at)?);
        let used = Used { at, turns: Arc::clone(turns), standing: item.standing.clone() };
        Some((item, used))
    }

    pub(super) fn file(&self) -> &Arc<Path> {
        &self.files[0].file
    }

    /// What keeps them up to date while it is kept.
    pub(super) fn keeper(self: &Arc<Self>, clock: &Clock) -> Upkeep {
        let (watched, clock) = (Arc::clone(self), clock.clone());
        Upkeep::new(move || Arc::clone(&watched).watch(clock.clone()))
    }

    async fn watch(self: Arc<Self>, clock: Clock) {
        loop {
            let mut found = self.look_aside().await;
            while let Some(news) = found {
                clock.sleep(SETTLED).await;
                found = self.look_aside().await;
                if found.as_ref() == Some(&news) {
                    self.tell(self.take(&news));
                    break;
                }
            }
            clock.sleep(PERIOD).await;
        }
    }

    /// Reads them here and now.
    pub(super) fn read_again(&self) {
        if let Some(found) = self.look() {
            self.tell(self.take(&found));
        }
    }

    async fn look_aside(self: &Arc<Self>) -> Option<Vec<Found>> {
        let watched = Arc::clone(self);
        blocking(move || watched.look()).await.flatten()
    }

    /// What is in the files, where that is something else than was found last.
    fn look(&self) -> Option<Vec<Found>> {
        let found: Vec<Found> =
            self.files.iter().map(|source| source.text().map_err(|error| WithCauses(&error).to_string())).collect();
        (self.state().found.as_ref() != Some(&found)).then_some(found)
    }

    /// Takes what can be used of it, and withdraws what is in no file any more.
    fn take(&self, found: &[Found]) -> Vec<Outcome> {
        let mut state = self.state();
        let before = state.found.replace(found.to_vec()).unwrap_or_default();
        let mut outcomes = Vec::new();
        for (at, found) in found.iter().enumerate().filter(|(at, found)| before.get(*at) != Some(found)) {
            match self.item(&state, found) {
                Ok(item) => {
                    if state.good[at].as_ref().is_none_or(|good| !Arc::ptr_eq(good, &item)) {
                        outcomes.push(Outcome::Taken(at));
                    }
                    state.good[at] = Some(item);
                }
                Err(why) => outcomes.push(Outcome::Kept(at, self.named(at, found, why))),
            }
        }
        let mut items: Vec<Arc<Item<T>>> = Vec::new();
        let mut files = Vec::new();
        for (at, item) in state.good.iter().enumerate() {
            if let Some(item) = item.as_ref().filter(|item| !items.iter().any(|other| Arc::ptr_eq(other, item))) {
                items.push(Arc::clone(item));
                files.push(Arc::clone(&self.files[at].file));
            }
        }
        let is_same = |(one, other): (&Arc<Item<T>>, &Arc<Item<T>>)| Arc::ptr_eq(one, other);
        if items.len() != state.held.items.len() || !items.iter().zip(&state.held.items).all(is_same) {
            for gone in state.held.items.iter().filter(|old| !items.iter().any(|item| Arc::ptr_eq(item, old))) {
                gone.standing.withdraw();
            }
            state.held = Held { items, turns: Arc::new(Turns::new(files)) };
        }
        outcomes
    }

    /// The credential of a text: the one that there is, wherever it was before.
    fn item(&self, state: &State<T>, found: &Found) -> Result<Arc<Item<T>>, String> {
        let text = found.as_ref().map_err(Clone::clone)?;
        let known = state.held.items.iter().chain(state.good.iter().flatten());
        if let Some(known) = known.into_iter().find(|item| item.text == *text) {
            return Ok(Arc::clone(known));
        }
        let value = (self.read)(text)?;
        Ok(Arc::new(Item { value, text: text.clone(), standing: Standing::default() }))
    }

    /// What is wrong with a text does not name the file yet.
    fn named(&self, at: usize, found: &Found, why: String) -> String {
        match found {
            Ok(_) => format!("{}: {why}", self.files[at].file.display()),
            Err(_) => why,
        }
    }

    fn tell(&self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Taken(at) => telemetry::taken(&self.files[at].file),
                Outcome::Kept(at, why) => telemetry::kept(&self.files[at].file, &why),
            }
        }
    }
}

impl<T> Watched<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        self.state().held.items.iter().for_each(|item| item.standing.withdraw());
    }
}

/// Where they are, not what they are.
impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}
