//! Who asks an authorization server now, and who waits for a turn.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_channel::oneshot;
use tower_identity_core::Clock;

use super::NotAsked;
use crate::DEADLINE;

/// How many calls of one authorization server are under way at one time.
pub(super) const IN_FLIGHT: usize = 64;

/// How many of these are for those who wait for a token: so many stay free of refreshes, so that a server which is slow
/// to refresh keeps nobody who has no token from asking.
const NOT_FOR_REFRESHES: usize = 8;

/// Who needs the token that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// Somebody who waits for it.
    Waiting,
    /// Nobody yet: it is to replace one that is still good. Gives way to whoever waits, and is not tried again; the
    /// next request for the token at hand does that.
    Refresh,
}

/// The calls of one authorization server: so many under way, and the others in a line, those that somebody waits for
/// before all refreshes.
#[derive(Default)]
pub(super) struct Line(Arc<Calls>);

#[derive(Default)]
struct Calls(Mutex<State>);

#[derive(Default)]
struct State {
    in_flight: usize,
    waiting: VecDeque<Turn>,
    refreshes: VecDeque<Turn>,
}

type Turn = oneshot::Sender<Place>;

/// The right to have one call under way, until it is dropped.
pub(super) struct Place(Arc<Calls>);

enum Entry {
    Place(Place),
    Turn(oneshot::Receiver<Place>),
}

impl Line {
    /// Waits for a turn, in a line with room for so many.
    pub(super) async fn enter(&self, urgency: Urgency, room: usize, clock: &Clock) -> Result<Place, NotAsked> {
        match self.ask(urgency, room)? {
            Entry::Place(place) => Ok(place),
            Entry::Turn(turn) => match clock.within(DEADLINE, turn).await {
                Some(Ok(place)) => Ok(place),
                // A refresh was sent away, in favour of somebody who waits.
                Some(Err(_)) => Err(NotAsked::GaveWay),
                None => Err(NotAsked::NoTurn),
            },
        }
    }

    fn ask(&self, urgency: Urgency, room: usize) -> Result<Entry, NotAsked> {
        let calls = &self.0;
        let mut state = calls.state();
        // While a place is free for somebody, nobody like that is in the line: see `State::next`.
        if state.in_flight < places(urgency) {
            state.in_flight += 1;
            return Ok(Entry::Place(Place(Arc::clone(calls))));
        }
        if state.length() >= room {
            state.forget_those_who_left();
        }
        let sent_away = match urgency {
            Urgency::Refresh if (state.length() + 1) * 2 > room => return Err(NotAsked::GaveWay),
            Urgency::Waiting if state.length() >= room => {
                Some(state.refreshes.pop_back().ok_or(NotAsked::LineFull { room })?)
            }
            Urgency::Refresh | Urgency::Waiting => None,
        };
        let (turn, mine) = oneshot::channel();
        state.of(urgency).push_back(turn);
        drop(state);
        // Wakes whoever waits for it: not under the lock.
        drop(sent_away);
        Ok(Entry::Turn(mine))
    }
}

/// How many calls may be under way for such a call to be one of them.
const fn places(urgency: Urgency) -> usize {
    match urgency {
        Urgency::Waiting => IN_FLIGHT,
        Urgency::Refresh => IN_FLIGHT - NOT_FOR_REFRESHES,
    }
}

impl Calls {
    /// Never held while anybody is woken.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn length(&self) -> usize {
        self.waiting.len() + self.refreshes.len()
    }

    fn of(&mut self, urgency: Urgency) -> &mut VecDeque<Turn> {
        match urgency {
            Urgency::Waiting => &mut self.waiting,
            Urgency::Refresh => &mut self.refreshes,
        }
    }

    fn forget_those_who_left(&mut self) {
        self.waiting.retain(|turn| !turn.is_canceled());
        self.refreshes.retain(|turn| !turn.is_canceled());
    }

    /// Whose turn it is now that a call has ended, and whether anybody's: else there is one call less under way.
    fn next(&mut self) -> Option<Turn> {
        for urgency in [Urgency::Waiting, Urgency::Refresh] {
            while self.in_flight <= places(urgency)
                && let Some(turn) = self.of(urgency).pop_front()
            {
                if !turn.is_canceled() {
                    return Some(turn);
                }
            }
        }
        self.in_flight -= 1;
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = self.0.state().next();
        if let Some(turn) = next {
            // Who left just now drops the place that it gets, and so hands it on.
            drop(turn.send(Self(Arc::clone(&self.0))));
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("Line")
            .field("in_flight", &state.in_flight)
            .field("waiting", &state.waiting.len())
            .field("refreshes", &state.refreshes.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
