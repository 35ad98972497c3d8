//! Where a layer looks for credentials, and that no field is two things.

use std::sync::Arc;

use http::HeaderName;
use tower_identity_core::InvalidSetting;

use super::{AuthLayer, ClientCertificate, settings::Settings};
use crate::{ForwardedCertificate, Source, Sources, plain_user::PlainUser};

impl<P> AuthLayer<P> {
    /// Reads the caller's credential from these places, instead of `Authorization` alone.
    ///
    /// A request presents it in one of them: in two of them it is refused (400), and so is one that stands in its place
    /// twice or is outside the grammar. The field or the cookie that carried it does not go on to the handler; other
    /// cookies do. `Authorization` never goes on, source or not.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_identity_inbound::{AuthLayer, Source};
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    ///
    /// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
    /// let layer = AuthLayer::new(Verifier::builder(home).build()?)
    ///     .sources([Source::authorization(), Source::cookie("__Host-session")?])?
    ///     .allowed_origins(["https://shop.example.com"])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `sources`: there is none, one is named twice, or it is the
    /// [user's](Self::user_source); for `forwarded_certificate.header` or `plain_user_header`: it is one of them.
    pub fn sources(self, sources: impl IntoIterator<Item = Source>) -> Result<Self, InvalidSetting> {
        let sources = Sources::of(sources)?;
        let sources = match self.settings.sources.user().cloned() {
            Some(user) => sources.with_user(user)?,
            None => sources,
        };
        let sources = match self.settings.sessions {
            Some(_) => sources.of_sessions()?,
            None => sources,
        };
        let sources = sources.with_transaction(self.settings.sources.transaction().cloned())?;
        self.settings.hold_apart(&sources)?;
        Ok(self.with(|settings| settings.sources = sources))
    }

    /// Reads the user's own credential from this place, beside the caller's: both are verified and related
    /// ([`Verifier::pair`](tower_identity_verify::Verifier::pair)).
    ///
    /// The caller's may come without it, and then stands for the caller [alone](tower_identity_verify::Verifier::alone); the
    /// user's never comes without the caller's (401).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `user_source`: it is one of the [caller's](Self::sources), or the caller's
    /// credential is a [certificate](Self::client_certificate); for `forwarded_certificate.header` or `plain_user_header`: it is
    /// the same field.
    pub fn user_source(self, source: Source) -> Result<Self, InvalidSetting> {
        if self.settings.client_certificate.is_some() {
            return Err(three_credentials());
        }
        let sources = self.settings.sources.clone().with_user(source)?;
        let sources = match self.settings.sessions {
            Some(_) => sources.of_sessions()?,
            None => sources,
        };
        self.settings.hold_apart(&sources)?;
        Ok(self.with(|settings| settings.sources = sources))
    }

    /// Takes the client certificate of the connection for the caller's credential, as far as the verifier
    /// [trusts](tower_identity_verify::VerifierBuilder::certificates) it. What the [sources](Self::sources) hold is then that
    /// of the caller's user, or a token of the caller's own, and related to the certificate
    /// ([`Verifier::certificate_and_token`](tower_identity_verify::Verifier::certificate_and_token)):
    ///
    /// | certificate | token | |
    /// |---|---|---|
    /// | good | none | the workload, for itself and alone: no scopes, and a user on no route |
    /// | good | a user's that names this workload | the workload for this user, with the token's rights |
    /// | good | the workload's own, without a user | the workload, with the token's rights |
    /// | good | any other good one | 403: nothing ties the two |
    /// | bad: of another authority, ended, not of a client, without its name | any, or none | 401, check `certificate`: never taken for none |
    /// | none | any | where it is required 401, check `certificate`; else the token alone is judged |
    /// | none | none | 401, or anonymous where the layer is [optional](Self::optional) |
    ///
    /// Certificates are those of [`Connection`](crate::Connection), which the acceptor puts into every request, and which is
    /// missed loudly (500). Without this setting nobody looks at them.
    ///
    /// A browser sends a certificate whoever made it ask, and so a certificate alone is guarded as a cookie is
    /// ([`allowed_origins`](Self::allowed_origins)).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `client_certificate`: the verifier trusts nobody's; for `user_source`: there is
    /// [one](Self::user_source), and three credentials are no statement.
    pub fn client_certificate(self, wanted: ClientCertificate) -> Result<Self, InvalidSetting> {
        if self.settings.verifier.certificate_issuers().next().is_none() {
            return Err(InvalidSetting::new("client_certificate", "needs certificates: whose are trusted"));
        }
        if self.settings.sources.user().is_some() {
            return Err(three_credentials());
        }
        Ok(self.with(|settings| settings.client_certificate = Some(wanted)))
    }

    /// Takes a proxy's word for which certificate the caller has, in this field and from these peers alone: see
    /// [`ForwardedCertificate`]. What is made of it is as of a certificate of the connection: it is the caller's credential
    /// where [`client_certificate`](Self::client_certificate) says so, and what a token may be bound to (RFC 8705 §3) in any
    /// case. A connection of anybody else is judged by its own certificate as ever.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `forwarded_certificate`: in `header`, it is one of the [sources](Self::sources); in
    /// `peers`, a proxy is known by its certificate, and the verifier trusts nobody's; for `plain_user_header`: it is the same
    /// field.
    pub fn forwarded_certificate(self, forwarded: ForwardedCertificate) -> Result<Self, InvalidSetting> {
        let known = forwarded.known_to(&self.settings.verifier);
        known.map_err(|wrong| wrong.within("forwarded_certificate"))?;
        apart(&self.settings.sources, Some(&forwarded), self.settings.plain_user.as_ref())?;
        Ok(self.with(|settings| settings.forwarded = Some(Arc::new(forwarded))))
    }

    /// What [`danger::plain_user`](crate::danger::plain_user) and [`danger::id_token`](crate::danger::id_token) allow.
    pub(crate) fn hearing(self, field: PlainUser) -> Result<Self, InvalidSetting> {
        apart(&self.settings.sources, self.settings.forwarded.as_deref(), Some(&field))?;
        if self.settings.plain_user.as_ref().is_some_and(|other| other.said() != field.said()) {
            let rule =
                "stands beside the other: who a user is comes by name or by ID token, at one service not by both";
            return Err(InvalidSetting::new(field.said().setting(), rule));
        }
        Ok(self.with(|settings| settings.plain_user = Some(field)))
    }
}

impl Settings {
    /// That these sources, in the place of those before, leave every field to one purpose.
    pub(super) fn hold_apart(&self, sources: &Sources) -> Result<(), InvalidSetting> {
        apart(sources, self.forwarded.as_deref(), self.plain_user.as_ref())
    }
}

/// A field holds a token, a certificate, or a user's name: whichever of them is said last.
fn apart(
    sources: &Sources,
    forwarded: Option<&ForwardedCertificate>,
    named: Option<&PlainUser>,
) -> Result<(), InvalidSetting> {
    let is_a_source = |field: &HeaderName| sources.all().any(|source| source.field() == Some(field));
    let holds_a_certificate = |field: &HeaderName| forwarded.is_some_and(|forwarded| forwarded.header() == field);
    if forwarded.is_some_and(|forwarded| is_a_source(forwarded.header())) {
        return Err(InvalidSetting::new("header", "is a source of tokens too").within("forwarded_certificate"));
    }
    match named {
        Some(named) if is_a_source(named.field()) || holds_a_certificate(named.field()) => {
            Err(InvalidSetting::new(named.said().setting(), "is a field that a credential is looked for in"))
        }
        _ => Ok(()),
    }
}

fn three_credentials() -> InvalidSetting {
    InvalidSetting::new("user_source", "beside client_certificate the user's credential is in sources")
}
