//! Looser than production may be. Everything here is named where it is used; refusals that explain themselves are refused by a
//! release build, and users in plain text are told of at each start.

use tower_identity_core::{BoxFuture, InvalidSetting, Refusal, RefusalKind};
use tower_identity_verify::{Explanation, Verifier, check::CERTIFICATE};

use crate::{
    Asked, AuthLayer, Presented, Sources,
    asked::Protocol,
    plain_user::{PlainUser, Said},
};

/// Tells whoever presents a token why it is refused: for development only.
///
/// The problem body of a refused token then has a member `explanation`: the [`Explanation`], which holds every check
/// with what was expected and what was found, and the claims of the token that it quotes. Never the token itself, and
/// never over gRPC. In production nobody outside learns more than the kind of the refusal (RFC 9457 §5): an explanation
/// tells a forger how far the forgery got.
///
/// Logs a warning each time that it is asked for.
///
/// ```
/// use tower_identity_inbound::{AuthLayer, danger};
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
/// let layer = AuthLayer::new(Verifier::builder(home).build()?);
/// let layer = if cfg!(debug_assertions) { danger::explain_refusals(layer)? } else { layer };
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
///
/// # Errors
///
/// [`InvalidSetting`] for the field `development`, in a build of this crate without debug assertions, as release builds
/// are.
pub fn explain_refusals<P>(layer: AuthLayer<P>) -> Result<AuthLayer<P>, InvalidSetting> {
    only_if(cfg!(debug_assertions))?;
    tracing::warn!(target: "tower_identity::development", "whoever presents a token that is refused is told why");
    Ok(layer.explaining())
}

/// Hears the name of a user in this field, of callers that may [name their users](tower_identity_verify::danger::plain_users) in
/// plain text.
///
/// Beside the name the caller presents its own credential, and no user's: a token, or its
/// [certificate](AuthLayer::client_certificate).
///
/// | the field | | |
/// |---|---|---|
/// | is there once, with a name | of a caller that is listed | the caller for that user, `Binding::None`, with the rights of the caller's credential |
/// | | of anybody else, or beside a token that names a user | 403: passed over, the request would be nobody's, which may be allowed more |
/// | | without a caller's credential | 401, also where the layer is [optional](AuthLayer::optional) |
/// | | beside a user's own credential | 400 |
/// | is there twice, in another spelling, empty, longer than 256 bytes, or with a comma or a character outside visible ASCII | | 400 |
/// | is not there | | the caller [alone](tower_identity_verify::Verifier::alone): its own rights count only where a rule demands that there is no user |
///
/// The field does not go on to the handler. At an [edge](AuthLayer::edge) nobody outside is heard: there the setting is gone.
///
/// ```
/// use tower_identity_inbound::{AuthLayer, danger};
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let login = "https://login.example.com";
/// let builder = Verifier::builder(TrustedIssuer::discover(login).audience("orders"));
/// let builder = tower_identity_verify::danger::plain_users(builder, ["legacy-storefront"], login);
/// let layer = danger::plain_user(AuthLayer::new(builder.build()?), "x-user-id")?;
/// # let _ = layer;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
///
/// # Errors
///
/// [`InvalidSetting`] for the field `plain_user_header`: what [`Source::header`](crate::Source::header) refuses, or a field
/// that a credential is [looked for](AuthLayer::user_source) in, or a [certificate](AuthLayer::forwarded_certificate).
pub fn plain_user(layer: AuthLayer, header: impl AsRef<str>) -> Result<AuthLayer, InvalidSetting> {
    layer.hearing(PlainUser::in_field(header.as_ref(), Said::ByName)?)
}

/// Takes in this field the ID token of a user, of callers that may [present them](tower_identity_verify::danger::id_tokens): a JWT
/// and nothing else, without a scheme.
///
/// What [`plain_user`] says of a name holds for it: it stands once, in one spelling, beside the caller's own credential and no
/// user's, does not go on to the handler, and at an [edge](AuthLayer::edge) nobody outside is heard. An ID token that is not good
/// is 401. A layer has one of the two.
///
/// ```
/// use tower_identity_inbound::{AuthLayer, danger};
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let login = || TrustedIssuer::discover("https://login.example.com");
/// let builder = Verifier::builder(login().audience("orders"));
/// let builder = tower_identity_verify::danger::id_tokens(builder, ["gateway"], login().audience("shop-web"));
/// let layer = danger::id_token(AuthLayer::new(builder.build()?), "x-id-token")?;
/// # let _ = layer;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
///
/// # Errors
///
/// [`InvalidSetting`] for the field `id_token_header`, as of [`plain_user`]; and where the layer hears names already.
pub fn id_token(layer: AuthLayer, header: impl AsRef<str>) -> Result<AuthLayer, InvalidSetting> {
    layer.hearing(PlainUser::in_field(header.as_ref(), Said::ByIdToken)?)
}

fn only_if(debug_assertions: bool) -> Result<(), InvalidSetting> {
    if debug_assertions {
        return Ok(());
    }
    Err(InvalidSetting::new("development", "a release build tells nobody why a token is refused"))
}

/// What explains refusals, where a layer does.
#[derive(Debug, Clone)]
pub(crate) struct Development(pub(crate) Verifier);

impl Development {
    /// The explanation that belongs into the answer: of a token that was refused or not decided, over HTTP. Two of them
    /// are not explained: that each is good alone would not say why they are refused together.
    pub(crate) fn explain<B>(
        &self,
        refusal: &Refusal,
        sources: &Sources,
        request: &http::Request<B>,
        asked: &Asked,
    ) -> Option<BoxFuture<'static, Explanation>> {
        let of_a_token = refusal.check() != CERTIFICATE
            && matches!(refusal.kind(), RefusalKind::InvalidToken | RefusalKind::Unavailable { .. });
        if !cfg!(debug_assertions) || !of_a_token || asked.protocol() != Protocol::Http {
            return None;
        }
        match Presented::read(sources, request.headers(), request.uri(), self.0.max_token_bytes()) {
            // The id of a session is no token that could be explained.
            Presented::Credentials(credentials) if credentials.by_cookie() && sources.are_of_sessions() => None,
            Presented::Credentials(credentials) if credentials.user().or(credentials.transaction()).is_none() => {
                Some(Box::pin(self.0.explain(credentials.caller())))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_p1_a_release_build_refuses_development_mode() {
        let refused = InvalidSetting::new("development", "a release build tells nobody why a token is refused");
        assert_eq!(only_if(false), Err(refused));
        assert_eq!(only_if(true), Ok(()));
    }
}
