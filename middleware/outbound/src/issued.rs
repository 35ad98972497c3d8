//! What is checked of a token that was issued, before it is kept and sent.
//!
//! What the answer says beside the token is judged where the answer is read: the types, and the scope. Here the token
//! itself is: its size always; and where the target's row says that it is a JWT which we may [read](ReadableJwt), for
//! whom it is, whose, who acts, and until when.

mod claims;
mod readable;
mod size;

use std::time::Duration;

use tower_identity_core::{ClientId, Fingerprint, InvalidSetting, Refusal, RefusalKind};
use tower_identity_jose::Limits;
use tower_identity_oauth::TargetService;

pub(crate) use self::{claims::whom, readable::Readable, size::read};
pub use self::{readable::ReadableJwt, size::MAX_CREDENTIAL_BYTES};
use crate::{
    Target,
    bearer::Bearer,
    source::{Ask, Brought},
};

/// What a row demands of the tokens that are issued for it, beyond its terms.
#[derive(Debug, Clone)]
pub(crate) struct Demands {
    /// The longest value of the header that carries it, in bytes.
    pub(crate) max_credential_bytes: usize,
    /// What its claims have to be, where they may be read.
    pub(crate) readable: Option<Readable>,
}

impl Demands {
    /// What a target says, for its terms and for who we are at its server.
    pub(crate) fn of(target: &Target, terms: &TargetService, client: &ClientId) -> Result<Self, InvalidSetting> {
        let max_credential_bytes = target.max_credential_bytes;
        if !Limits::TOKEN_BYTES.contains(&max_credential_bytes) {
            let (least, most) = (Limits::TOKEN_BYTES.start(), Limits::TOKEN_BYTES.end());
            return Err(InvalidSetting::new("max_credential_bytes", format!("is not from {least} to {most}")));
        }
        let compile = |jwt: &ReadableJwt| jwt.compile(terms, client).map_err(|wrong| wrong.within("readable_jwt"));
        let readable = target.readable_jwt.as_ref().map(compile).transpose()?;
        Ok(Self { max_credential_bytes, readable })
    }

    /// Rows that demand different things share no token: what one of them would refuse must not be there already.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let readable = self.readable.as_ref().map(|readable| *readable.fingerprint().as_bytes());
        Fingerprint::of("outbound-demands").field(self.max_credential_bytes.to_be_bytes()).optional(readable).finish()
    }
}

/// A token that is all right, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) bearer: Bearer,
    /// How long it is good for, where the server says so: beside the token or in it.
    pub(crate) life: Option<Duration>,
}

/// Checks a token that was brought for this ask.
pub(crate) fn check(ask: &Ask, brought: &Brought) -> Result<Checked, Refusal> {
    judge(ask, brought).map_err(|refusal| match &brought.server {
        Some(server) => refusal.issuer(server.clone()),
        None => refusal,
    })
}

fn judge(ask: &Ask, brought: &Brought) -> Result<Checked, Refusal> {
    let Demands { max_credential_bytes, readable } = &ask.recipe.demands;
    let (token, said) = (brought.token.access_token(), brought.token.expires_in());
    let made = if brought.is_bare { Bearer::without_scheme(token) } else { Bearer::new(token) };
    let bearer = made.ok_or_else(|| refuse("access_token", "holds what no header may hold"))?;
    size::check(bearer.bytes(), *max_credential_bytes, token)?;
    // What nobody issued for this, its source has looked at: it says nothing of who acts here.
    let left = match (readable, &brought.server) {
        (Some(readable), Some(server)) => readable.check(token, ask, server)?,
        _ => None,
    };
    Ok(Checked { bearer, life: said.into_iter().chain(left).chain(brought.left).min() })
}

/// The authorization server issued what it must not: its fault, and nothing of the token is used.
fn refuse(check: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(RefusalKind::BadUpstream, check).detail(detail)
}
