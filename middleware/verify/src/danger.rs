//! Looser than a verifier should be. Everything here is named where it is used, and told when the verifier is built.

use std::fmt;

use tower_identity_core::CallerName;

use crate::VerifierBuilder;

/// Takes the word of these workloads for whom they call: beside the credential of one of them, a user's of one of these
/// issuers counts even where nothing ties the two.
///
/// For the time in which callers cannot be given tokens that name them. Whoever takes over such a workload, or gets hold
/// of its token, acts for every user whose token it ever sees. The caller has to prove itself by a token of its own; the
/// client that a user's token was issued to never does. Rules let such a pair through, its
/// [binding](tower_identity_core::Binding::None) is none, and handlers see that.
///
/// The user's token is never exchanged for such a pair: this service takes the risk for itself alone. A token that it
/// got by exchange would name it as the actor for this user, and every service behind it would take that for evidence.
///
/// Logs a warning when the verifier is built. Names that are not of a trusted issuer, and issuers whose users' tokens are
/// not accepted, are refused there.
///
/// ```
/// use tower_identity_verify::{TrustedIssuer, Verifier, danger};
///
/// let login = "https://login.example.com";
/// let builder = Verifier::builder(TrustedIssuer::discover(login).audience("orders"));
/// let verifier = danger::trusted_caller(builder, ["legacy-gateway"], [login]).build()?;
/// # let _ = verifier;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
pub fn trusted_caller<C, I>(builder: VerifierBuilder, callers: C, users_of: I) -> VerifierBuilder
where
    C: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
    I: IntoIterator<Item: Into<String>>,
{
    builder.trusting(callers, users_of)
}
