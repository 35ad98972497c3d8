//! What a request says of the transaction that begins with it.

#[cfg(feature = "transaction-tokens")]
pub(crate) use self::said::About;

/// Without transactions there is nothing to be said.
#[cfg(not(feature = "transaction-tokens"))]
#[derive(Debug)]
pub(crate) enum About {}

#[cfg(not(feature = "transaction-tokens"))]
impl About {
    pub(crate) fn of_subject(&self, _: tower_identity_core::Fingerprint) -> tower_identity_core::Fingerprint {
        match *self {}
    }
}

#[cfg(feature = "transaction-tokens")]
mod said {
    use tower_identity_core::Fingerprint;
    use tower_identity_oauth::Transaction;

    /// What it says, and the digest of that.
    #[derive(Debug)]
    pub(crate) struct About {
        pub(crate) transaction: Transaction,
        digest: Fingerprint,
    }

    impl About {
        pub(crate) fn new(transaction: Transaction) -> Self {
            Self { digest: transaction.fingerprint(), transaction }
        }

        /// The subject in this transaction: no other request of the same subject gets its token, unless it says the same.
        pub(crate) fn of_subject(&self, subject: Fingerprint) -> Fingerprint {
            Fingerprint::of("subject-in-transaction").field(subject.as_bytes()).field(self.digest.as_bytes()).finish()
        }
    }
}
