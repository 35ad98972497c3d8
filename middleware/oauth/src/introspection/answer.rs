//! What an introspection endpoint answers, read strictly.

use std::{fmt, sync::Arc};

use http::{HeaderValue, StatusCode};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use tower_identity_core::{SecretToken, bearer::is_token68};
use tower_identity_jose::json;

use super::{AnswerForm, SignedAnswer, error::Cause};
use crate::{http::Answer, response::read_failure, token_error::Nonsense};

/// What is said of a token.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Introspected {
    /// Nothing: it is unknown, has ended, was revoked, or is not for us to ask about (RFC 7662 §2.2). Whatever does not
    /// say `"active": true`, as a JSON boolean, says this.
    Inactive,
    /// It is active.
    Active(Members),
    /// An answer that is signed, and not verified yet (RFC 9701 §5).
    Signed(SignedAnswer),
    /// It stands for this JWT, which is not verified yet.
    Jwt(SecretToken),
}

/// The members of the answer about a token that is active. Nothing of them is checked but `active`.
#[derive(Clone)]
pub struct Members {
    json: Arc<[u8]>,
    has_end: bool,
}

impl Members {
    /// The JSON object, without duplicate names.
    #[must_use]
    pub fn json(&self) -> &Arc<[u8]> {
        &self.json
    }

    /// Whether they say when the token ends (`exp`), which they need not (RFC 7662 §2.2).
    #[must_use]
    pub fn has_end(&self) -> bool {
        self.has_end
    }
}

/// They name a user.
impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Members(..)")
    }
}

/// The member that decides, and whether another is there. What it says where it is not a boolean is nobody's business.
#[derive(Deserialize)]
struct Plain {
    active: Option<Value>,
    exp: Option<IgnoredAny>,
}

impl Introspected {
    /// Reads an object.
    pub(super) fn of_object(object: &[u8]) -> Result<Self, Nonsense> {
        match json::from_slice::<Plain>(object) {
            Ok(Plain { active: Some(Value::Bool(true)), exp }) => {
                Ok(Self::Active(Members { json: Arc::from(object), has_end: exp.is_some() }))
            }
            Ok(_) => Ok(Self::Inactive),
            Err(_) => Err(Nonsense::NotJson),
        }
    }
}

/// Reads the answer, which was asked for in this form.
pub(super) fn read(
    form: AnswerForm,
    answer: &Answer,
    content_type: Option<&HeaderValue>,
) -> Result<Introspected, Cause> {
    let is_of = |media_type: &str| content_type.is_some_and(|says| is_media_type(says, media_type));
    match (answer.status, form) {
        (StatusCode::OK, AnswerForm::Plain) => Ok(Introspected::of_object(&answer.body)?),
        (StatusCode::OK, form) if is_of(form.media_type()) => {
            let jwt = token(&answer.body).ok_or(Nonsense::NotAJwt)?;
            Ok(match form {
                AnswerForm::Signed => Introspected::Signed(SignedAnswer::new(jwt)),
                AnswerForm::Plain | AnswerForm::Phantom => Introspected::Jwt(jwt),
            })
        }
        // What stands for nothing has no content, or is an object that says so.
        (StatusCode::NO_CONTENT, AnswerForm::Phantom) => Ok(Introspected::Inactive),
        (StatusCode::OK, AnswerForm::Phantom) if is_of(AnswerForm::Plain.media_type()) => {
            match Introspected::of_object(&answer.body)? {
                Introspected::Inactive => Ok(Introspected::Inactive),
                _ => Err(Nonsense::MediaType(form.media_type()).into()),
            }
        }
        (StatusCode::OK, form) => Err(Nonsense::MediaType(form.media_type()).into()),
        (_, _) => Err(Cause::of_failure(&read_failure(answer))),
    }
}

/// Whether a `Content-Type` is of this media type, whatever its parameters (RFC 9110 §8.3.1).
fn is_media_type(says: &HeaderValue, media_type: &str) -> bool {
    let essence = says.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

/// A JWT as it can go on in a header.
fn token(body: &[u8]) -> Option<SecretToken> {
    let text = std::str::from_utf8(body).ok()?.trim_ascii();
    is_token68(text).then(|| SecretToken::new(text))
}
