//! Issuers, token services and callers for tests: ours, and those of services that use tower-identity.
//!
//! Two ways to test a service, and what each needs:
//!
//! | what is tested | with | cryptography | network |
//! |---|---|---|---|
//! | handlers and rules | [`TestCaller`] and [`with_caller`] | none | none |
//! | the whole stack, or how it behaves when an issuer does not | [`TestIssuer`] and [`TokenBuilder`] | real | loopback |
//!
//! Beside them: [`ManualClock`] moves time by hand, [`LogCapture`] collects what a test logged, and
//! [`assert_hides`] proves that a secret does not print.
//!
//! Everything here panics on a test's own mistake (an empty name, a port that is taken), with words that say which.
//! Nothing here belongs into a production binary.

pub mod caller;
pub mod clock;
pub mod logs;
pub mod secrecy;

pub use self::{caller::TestCaller, clock::ManualClock, logs::LogCapture, secrecy::assert_hides};
