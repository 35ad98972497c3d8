//! Looser than a verifier should be. Everything here is named where it is used, and told when the verifier is built.

use std::fmt;

use tower_identity_core::CallerName;

use crate::{TrustedIssuer, VerifierBuilder};

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

/// Takes the word of these workloads for whom they call, where their users have no credential at all: a name in plain text.
/// Whom they name is a user of this issuer.
///
/// For the time in which services that are not yet able to get tokens for their users send what they have always sent, an
/// `X-User-Id`. Each proves itself by a token or a certificate of its own, and an address is no proof. Whoever takes over such
/// a workload, or gets hold of its token, is every user of that issuer. Rules let such a caller through with the rights of its
/// own credential, which it has for a user and for nobody else; its [binding](tower_identity_core::Binding::None) is none, and
/// handlers see that. Nothing is exchanged for such a user, nor relayed: there is nothing.
///
/// A user who was [revoked](tower_identity_core::Revocations) is refused until the caller's credential is newer than that.
///
/// Where the name is said is the inbound layer's to know: `danger::plain_user` there. Logs a warning when the verifier is
/// built. A caller that is of two rows is refused there, too, since its names would be of two issuers.
///
/// ```
/// use tower_identity_verify::{TrustedIssuer, Verifier, danger};
///
/// let login = "https://login.example.com";
/// let builder = Verifier::builder(TrustedIssuer::discover(login).audience("orders"));
/// let verifier = danger::plain_users(builder, ["legacy-storefront"], login).build()?;
/// # let _ = verifier;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
pub fn plain_users<C>(builder: VerifierBuilder, callers: C, users_of: impl Into<String>) -> VerifierBuilder
where
    C: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
{
    builder.naming(callers, users_of.into())
}

/// Takes the ID tokens that these workloads present for whom they call (OpenID Connect Core §2), where a gateway hands on what it
/// got at the sign-in and no more. The issuer's audience here is the client id that the users have signed in at: an ID token is for
/// that client, and for no other.
///
/// Beside a credential of the caller's own, which it has for no user, an ID token counts as its user's
/// [name](plain_users) does, with the rights of the caller's credential and [no binding](tower_identity_core::Binding::None): it is
/// no credential, whoever saw one could present it. But its issuer has said who that is and how the user signed in. It is verified
/// on each request, by the issuer's keys and algorithms, for that client alone, until it ends; what is an access token, a
/// transaction token or another is refused. Nothing of it is kept, relayed or exchanged.
///
/// Where it is presented is the inbound layer's to know: `danger::id_token` there. Logs a warning when the verifier is built. A
/// caller may be of several rows, since an ID token says of which issuer it is.
///
/// ```
/// use tower_identity_verify::{TrustedIssuer, Verifier, danger};
///
/// let login = || TrustedIssuer::discover("https://login.example.com");
/// let builder = Verifier::builder(login().audience("orders"));
/// let verifier = danger::id_tokens(builder, ["gateway"], login().audience("shop-web")).build()?;
/// # let _ = verifier;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
pub fn id_tokens<C>(builder: VerifierBuilder, callers: C, issuer: TrustedIssuer) -> VerifierBuilder
where
    C: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
{
    builder.presenting(callers, issuer)
}

/// Takes this service at its word for whom it calls: what it has signed itself, for a mesh without a server that would exchange
/// tokens. It may speak for users of these issuers, and of no other.
///
/// Its word is a JWT of the type `self-asserted+jwt`, as the strategy `signed` of an outbound target makes it, under a key of the set that the service
/// publishes: for this service alone (`aud`), for 300 seconds at most, about a user by id and issuer (`sub_id`, RFC 9493), and
/// with the service itself as the actor. `service` says what it is called in `iss`, where its keys are, and what this service
/// is called there; its profile is this one. A token that it issues as an access token is none here.
///
/// Whoever takes over such a service is every user of these issuers: nobody but the service has seen them. So the
/// [binding](tower_identity_core::Binding::SelfAsserted) says so, and a request gets no further than a rule that does:
/// `self_asserted_user()`. It is never exchanged nor relayed. Beside a credential of its caller's it counts where the caller is
/// that service.
///
/// The service is a workload by the name in `iss`, at an issuer of that name; it is called otherwise by
/// [`workload`](VerifierBuilder::workload).
///
/// Logs a warning when the verifier is built.
///
/// ```
/// use tower_identity_core::CallerName;
/// use tower_identity_verify::{TrustedIssuer, Verifier, danger};
///
/// let login = "https://login.example.com";
/// let orders = "https://orders.internal";
/// let builder = Verifier::builder(TrustedIssuer::discover(login).audience("payments"))
///     .workload(["orders".try_into()?, CallerName::of_issuer(orders, orders)?]);
/// let service = TrustedIssuer::keys_at(orders, "https://orders.internal/keys").audience("payments");
/// let verifier = danger::self_asserted(builder, service, [login]).build()?;
/// # let _ = verifier;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn self_asserted<I>(builder: VerifierBuilder, service: TrustedIssuer, users_of: I) -> VerifierBuilder
where
    I: IntoIterator<Item: Into<String>>,
{
    builder.asserted_by(service, users_of.into_iter().map(Into::into).collect())
}
