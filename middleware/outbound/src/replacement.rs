//! Another list of targets, in the place of the one at work.

use std::{
    fmt,
    sync::{Arc, PoisonError},
};

use tower_identity_core::InvalidSetting;

use crate::{Outbound, OutboundBuilder, table::Table};

/// A list of targets that is in order, and not yet at work: see [`Outbound::check`].
#[must_use = "it does nothing until it takes effect"]
pub struct Replacement {
    of: Outbound,
    table: Table,
}

impl Outbound {
    /// Puts another list of targets, with its servers, in the place of the one at work: whole, or, where it breaks a
    /// rule, not at all. Says which generation of the list it is. All clones, layers and clients of this outbound go by
    /// it from the next request on; a request that waits for its token has been decided by the list before.
    ///
    /// Remembered tokens stay: they are found by what a row asks for and of whom, so that those of an unchanged row serve
    /// on, and no row finds those of another. A server that is described as it was goes on with what is known of it. The
    /// clock and the bounds of what is remembered stay as they are, whatever the builder says.
    ///
    /// ```
    /// # use tower_identity_jose::{Algorithm, SigningKey};
    /// # use tower_identity_oauth::{ClientAuth, TokenEndpoint};
    /// use tower_identity_outbound::{Outbound, Target};
    ///
    /// # let auth = ClientAuth::private_key_jwt("orders", SigningKey::generate(Algorithm::Es256)?)?;
    /// let login = || Outbound::builder(TokenEndpoint::discover("https://login.example.com", auth.clone()));
    /// let payments = || Target::origin("https://payments.internal").map(|row| row.audience("payments").token_exchange());
    /// let outbound = login().build()?;
    /// assert_eq!(outbound.replace(login().target(payments()?))?, 2);
    ///
    /// let twice = login().target(payments()?).target(payments()?);
    /// assert!(outbound.replace(twice).is_err());
    /// assert_eq!(outbound.generation(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`OutboundBuilder::build`]. Then nothing has changed.
    pub fn replace(&self, builder: OutboundBuilder) -> Result<u64, InvalidSetting> {
        self.check(builder).map(Replacement::take_effect)
    }

    /// The same in two steps, for whoever replaces more than this, all or nothing.
    ///
    /// # Errors
    ///
    /// As [`OutboundBuilder::build`].
    pub fn check(&self, builder: OutboundBuilder) -> Result<Replacement, InvalidSetting> {
        let builder = builder.checked()?;
        let shared = self.shared();
        let table = Table::of(&builder.listed, Some(&shared.table.load()), &shared.http, &shared.clock)?;
        Ok(Replacement { of: self.clone(), table })
    }

    /// How many times the list of targets was [replaced](Self::replace), counted from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared().table.load().generation
    }
}

impl Replacement {
    /// Puts it in its place, and says which generation it is.
    pub fn take_effect(self) -> u64 {
        let Self { of, mut table } = self;
        let shared = of.shared();
        // One after the other, so that each has a number of its own. No request takes this lock.
        let _one_at_a_time = shared.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        table.generation = shared.table.load().generation + 1;
        let generation = table.generation;
        shared.table.store(Arc::new(table));
        generation
    }
}

impl fmt::Debug for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replacement").field("table", &self.table).finish_non_exhaustive()
    }
}
