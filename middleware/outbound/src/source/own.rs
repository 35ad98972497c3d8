//! This service's own token, which was issued to it otherwise: in a file that somebody else writes, or a fixed one.

use std::{
    fmt,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use tower_identity_core::{
    Audience, BoxFuture, Clock, Fingerprint, Refusal, RefusalKind, Scopes, SecretToken, Timestamp, bearer::is_token68,
};
use tower_identity_jose::{AudienceClaim, Limits, NumericDate};
use tower_identity_oauth::{DEADLINE, IssuedToken};
use tower_identity_refresh::{OneAtATime, open_regular};

use super::{Ask, Brought, TokenSource, ready};
use crate::issued;

/// How long what a file held is used before it is looked at again.
const AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) held: Held,
    /// What the target is called, where the row says: a JWT has to be for it.
    pub(crate) audiences: Arc<[Audience]>,
}

/// Where it is.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    File { path: Arc<Path>, reads: OneAtATime },
    Fixed(SecretToken),
}

impl Held {
    pub(crate) fn file(path: &Path) -> Self {
        Self::File { path: path.into(), reads: OneAtATime::new() }
    }

    async fn read(&self, clock: &Clock) -> Result<SecretToken, Refusal> {
        let (path, reads) = match self {
            Self::File { path, reads } => (Arc::clone(path), reads),
            Self::Fixed(token) => return Ok(token.clone()),
        };
        let unreadable = |why: io::Error| self.refuse("cannot be read").caused_by(why);
        let read = clock.within(DEADLINE, reads.blocking(move || text(&path))).await;
        let read = read.ok_or_else(|| unreadable(io::ErrorKind::TimedOut.into()))?;
        read.unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into())).map_err(unreadable)
    }

    /// It is for the target, and has not ended, as far as it says. How long it is good for, where it says.
    fn judge(&self, token: &SecretToken, audiences: &[Audience], now: Timestamp) -> Result<Option<Duration>, Refusal> {
        if !is_token68(token.expose()) {
            return Err(self.refuse("holds no bearer token"));
        }
        if token.expose().split('.').count() != 3 {
            return Ok(None);
        }
        let unverified =
            issued::read(token).map_err(|cause| self.refuse("has three parts, and is no JWT").caused_by(cause))?;
        let claims = unverified.claims_unverified();
        let aud = claims.get("aud").map(AudienceClaim::deserialize).transpose();
        let aud = aud.map_err(|_| self.refuse("has an aud of a wrong type"))?;
        let is_for = |aud: &AudienceClaim| audiences.iter().any(|one| aud.contains(one));
        if !audiences.is_empty() && !aud.as_ref().is_some_and(is_for) {
            return Err(self.refuse(format_args!("is for none of {audiences:?}")));
        }
        let exp = claims.get("exp").map(NumericDate::deserialize).transpose();
        let Some(exp) = exp.map_err(|_| self.refuse("has an exp of a wrong type"))? else { return Ok(None) };
        match exp.timestamp().since(now) {
            Duration::ZERO => {
                let ago = now.since(exp.timestamp()).as_secs();
                Err(self.refuse(format_args!("ended {ago} s ago; whoever writes it has to replace it")))
            }
            left => Ok(Some(left)),
        }
    }

    /// Names where it is, and never what.
    fn refuse(&self, rule: impl fmt::Display) -> Refusal {
        let detail = match self {
            Self::File { path, .. } => format!("the token in {} {rule}", path.display()),
            Self::Fixed(_) => format!("the fixed token {rule}"),
        };
        Refusal::new(RefusalKind::Misconfigured, "own_token").detail(detail)
    }
}

/// What is in a file, without the white space around it that editors leave.
fn text(path: &Path) -> io::Result<SecretToken> {
    let mut text = String::new();
    let longest = *Limits::TOKEN_BYTES.end() as u64;
    open_regular(path)?.take(longest + 1).read_to_string(&mut text)?;
    Ok(SecretToken::new(text.trim()))
}

impl TokenSource for Own {
    fn name(&self) -> &'static str {
        match self.held {
            Held::File { .. } => "file",
            Held::Fixed(_) => "fixed",
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let audiences = self.audiences.iter().map(Audience::as_str);
        match &self.held {
            Held::File { path, .. } => Fingerprint::of("outbound-file").field(path.as_os_str().as_encoded_bytes()),
            Held::Fixed(token) => Fingerprint::of("outbound-fixed").field(token.expose()),
        }
        .list(audiences.collect::<Vec<_>>())
        .finish()
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        if ask.subject.is_some() {
            // It is nobody's but this service's.
            return ready(Err(Refusal::new(RefusalKind::Misconfigured, "subject_token")));
        }
        let (held, audiences, recipe) = (self.held.clone(), Arc::clone(&self.audiences), Arc::clone(&ask.recipe));
        Box::pin(async move {
            let token = held.read(&recipe.clock).await?;
            let left = held.judge(&token, &audiences, recipe.clock.wall())?;
            let brought = Brought::found(IssuedToken::new(token, Scopes::default(), left));
            Ok(match held {
                Held::File { .. } => brought.look_again_after(AGAIN),
                Held::Fixed(_) => brought,
            })
        })
    }
}
