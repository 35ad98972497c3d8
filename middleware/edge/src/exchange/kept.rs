//! The internal identities that an authority gave, remembered.

use std::{net::IpAddr, sync::Arc};

use tower_identity_core::{CallerContext, Refusal};
use tower_identity_oauth::Urgency;
use tower_identity_refresh::{Slot, Slots};

use super::{Exchange, ask::Ask, error::Reason};
use crate::{
    MintError,
    replaced::{Presented, Replaced, Replacement},
};

/// Has callers replaced by an [`Exchange`], and remembers by what: in a slot for each, so that equal requests at one time make
/// one exchange, the next one is made behind the callers' backs, and what is at hand stays where that fails.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) exchange: Exchange,
    /// None where none is to be remembered: what somebody waits at stays in its map, however little room is there.
    slots: Option<Slots<Key, Arc<Replaced>, Refusal>>,
}

/// Where one is, comes, or could not be had a moment ago.
type Place = Slot<Arc<Replaced>, Refusal>;

/// What an internal identity depends on: what the caller presented, and where from if that is told. All else is the same for
/// the whole layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key(Presented, Option<IpAddr>);

impl Kept {
    /// As many as this at most are remembered.
    pub(crate) fn new(exchange: Exchange, many: usize) -> Self {
        let slots = (many > 0).then(|| Slots::new(many, exchange.0.clock.clone()));
        Self { exchange, slots }
    }

    /// The internal identity of this caller, on this request: the one that is at hand, or one that is to be waited for.
    pub(crate) fn replace(&self, caller: &CallerContext, from: Option<IpAddr>) -> Replacement {
        // Decided for each request, and so asked of each.
        if !caller.principal().binding().is_established() {
            return Replacement::Now(Err(MintError::Unrelated.into()));
        }
        let key = Key(Presented::of(caller), from);
        if let Some((slot, known)) = self.at_hand(&key) {
            if known.renewed_at <= self.exchange.0.clock.coarse_wall() {
                self.renew(&slot, caller, from);
            }
            return Replacement::Now(Ok((known.within.judged_again(caller.judged_at()), known)));
        }
        self.miss(&key, caller, from)
    }

    /// What is remembered under a key, where it may be used now.
    fn at_hand(&self, key: &Key) -> Option<(Place, Arc<Replaced>)> {
        let slot = self.slots.as_ref()?.find(key)?;
        let known = slot.peek()?;
        if known.is_good(self.exchange.0.clock.coarse_wall()) {
            return Some((slot, known));
        }
        slot.evict(|held| Arc::ptr_eq(held, &known));
        None
    }

    #[cold]
    fn renew(&self, slot: &Place, caller: &CallerContext, from: Option<IpAddr>) {
        slot.refresh(|| self.ask(caller, from).load(Urgency::Refresh));
    }

    #[cold]
    fn miss(&self, key: &Key, caller: &CallerContext, from: Option<IpAddr>) -> Replacement {
        let ask = self.ask(caller, from);
        match ask.check() {
            Ok(()) => Replacement::Later(Box::pin(wait(self.place(key), ask))),
            Err(reason) => Replacement::Now(Err(reason.into())),
        }
    }

    fn place(&self, key: &Key) -> Place {
        let of_its_own = || Slot::new(self.exchange.0.clock.clone());
        self.slots.as_ref().map_or_else(of_its_own, |slots| slots.slot(key))
    }

    fn ask(&self, caller: &CallerContext, from: Option<IpAddr>) -> Ask {
        Ask { exchange: self.exchange.clone(), caller: caller.clone(), from }
    }
}

/// What is waited for, and what was so before and may be so no longer.
async fn wait(slot: Place, ask: Ask) -> Result<(CallerContext, Arc<Replaced>), Refusal> {
    let (clock, deadline) = (&ask.exchange.0.clock, ask.exchange.0.deadline);
    let landed = clock.within(deadline, landed(&slot, &ask)).await;
    let replaced = landed.unwrap_or_else(|| Err(Reason::Late(deadline).into()))?;
    if ask.caller.is_revoked() {
        return Err(Reason::Revoked.into());
    }
    if ask.caller.expires_at() <= clock.wall() {
        return Err(Reason::Caller(MintError::Ended).into());
    }
    Ok((replaced.within.judged_again(ask.caller.judged_at()), replaced))
}

async fn landed(slot: &Place, ask: &Ask) -> Result<Arc<Replaced>, Refusal> {
    let mut is_ours = false;
    let landed = slot.get(|| {
        is_ours = true;
        ask.clone().load(Urgency::Waiting)
    });
    let landed = landed.await;
    // A flight that began before anybody waited gave way to others and gave up early. Its failure says nothing, and is not
    // remembered.
    if landed.is_err() && !is_ours && slot.failure().is_none() {
        return slot.get(|| ask.clone().load(Urgency::Waiting)).await;
    }
    landed
}
