//! Issuers, token services and callers for tests: ours, and those of services that use tower-identity.
//!
//! Two ways to test a service, and what each needs:
//!
//! | what is tested | with | cryptography | network |
//! |---|---|---|---|
//! | handlers and rules | [`TestCaller`] and [`with_caller`] | none | none |
//! | the whole stack, and how it copes with an issuer that fails | [`TestIssuer`] and [`TokenBuilder`] | real | loopback |
//!
//! [`assert_closed`] finds the routes of a service that are open to everybody.
//!
//! In addition, [`ManualClock`] moves time by hand, [`LogCapture`] collects what a test logged, and
//! [`assert_hides`] proves that a secret does not print.
//!
//! Everything here panics on a test's own mistake (an empty name, a redirect to what is not a URI), with words that say
//! which. Nothing here belongs in a production binary.
//!
//! | module | what it holds |
//! |---|---|
//! | [`caller`] | [`TestCaller`]: a caller without cryptography |
//! | [`layer`] | [`with_caller`]: in place of authentication |
//! | [`closed`] | [`assert_closed`]: no route is open to those who present nothing |
//! | [`issuer`] | [`TestIssuer`]: an authorization server on loopback, and its [`Failure`]s |
//! | [`token`] | [`TokenBuilder`]: tokens, valid or wrong in one way |
//! | [`authority`] | [`TestAuthority`]: a certificate authority, and the client certificates of it |
//! | `workload_api` | `TestWorkloadApi`, an agent of SPIFFE (on Unix) |
//! | [`clock`] | [`ManualClock`] |
//! | [`logs`] | [`LogCapture`] |
//! | [`secrecy`] | [`assert_hides`] and its kin |

pub mod authority;
pub mod caller;
pub mod clock;
pub mod closed;
pub mod issuer;
pub mod layer;
pub mod logs;
pub mod secrecy;
pub mod token;
#[cfg(unix)]
pub mod workload_api;

#[cfg(unix)]
pub use self::workload_api::TestWorkloadApi;
pub use self::{
    authority::{CertificateBuilder, KeyUsage, TestAuthority, TestCertificate},
    caller::TestCaller,
    clock::ManualClock,
    closed::{assert_closed, assert_closed_or_not_found},
    issuer::{ClientAuthentication, Endpoint, Failure, Held, TestIssuer, TestIssuerBuilder, TokenCall},
    layer::{WithCallerLayer, with_caller, without_caller},
    logs::LogCapture,
    secrecy::{assert_hides, assert_text_hides},
    token::TokenBuilder,
};
