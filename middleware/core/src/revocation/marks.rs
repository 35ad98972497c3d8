//! Up to which time tokens are covered: the one comparison, of an entry and of what is left of one that is forgotten.

use std::time::Duration;

use crate::Timestamp;

/// When a token was issued, at the earliest, and on which sign-in, as far as it says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) issued_at: Timestamp,
    pub(super) auth_time: Option<Timestamp>,
}

impl Times {
    /// Whether the token was issued by then. Its times are whole seconds, so the whole second counts.
    pub(super) fn issued_by(self, then: Timestamp) -> bool {
        self.issued_at.as_secs() <= then.as_secs()
    }

    /// Whether it was issued on a sign-in of then or before, not longer after than this.
    pub(super) fn signed_in_by(self, then: Timestamp, reach: Duration) -> bool {
        self.auth_time.is_some_and(|signed_in| signed_in.as_secs() <= then.as_secs())
            && self.issued_by(then.saturating_add(reach))
    }
}

/// What is left of the entries of an issuer that were forgotten: their latest times. Whatever one of them covered, this
/// covers, and much more.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    issued: Option<Timestamp>,
    signed_in: Option<Timestamp>,
}

impl Marks {
    /// Raises the marks to an entry's time.
    pub(super) fn raise(&mut self, then: Timestamp, is_of_sign_in: bool) {
        self.issued = self.issued.max(Some(then));
        if is_of_sign_in {
            self.signed_in = self.signed_in.max(Some(then));
        }
    }

    /// Whether an entry of this time covers nothing that these do not.
    pub(super) fn include(&self, then: Timestamp, is_of_sign_in: bool) -> bool {
        self.issued >= Some(then) && (!is_of_sign_in || self.signed_in >= Some(then))
    }

    pub(super) fn cover(&self, token: Times, reach: Duration) -> bool {
        self.issued.is_some_and(|then| token.issued_by(then))
            || self.signed_in.is_some_and(|then| token.signed_in_by(then, reach))
    }
}
