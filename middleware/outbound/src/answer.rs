//! An answer of a target that is no success, and what it becomes for our own caller.

use std::time::Duration;

use http::{
    HeaderMap, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use reqwest::Response;
use tower_identity_core::{Refusal, RefusalKind};

use crate::{TargetRefusal, refused::DOWNSTREAM};

/// How long to wait for a target that is unavailable and does not say for how long.
const UNSAID: Duration = Duration::from_secs(1);

/// A target answered, and its answer is no success.
///
/// To our own caller that is 503 where the target was unavailable, for as long as it says, and 502 for most other
/// answers: what went wrong between two services is not the caller's to set right. One thing is: where the target wants
/// the user to sign in again, or by stronger means (RFC 9470), whose token it was sent, our caller is challenged to that.
/// Names the target's origin, and nothing else of its address or its answer.
#[derive(Debug, thiserror::Error)]
#[error("{origin} answered {status}")]
pub struct Unsuccessful {
    origin: String,
    status: StatusCode,
    #[source]
    refusal: Refusal,
}

impl Unsuccessful {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

/// Tells a success from other answers.
pub trait ResponseExt: Sized {
    /// The answer, if it is a success (2xx).
    ///
    /// ```
    /// use tower_identity_outbound::ResponseExt;
    ///
    /// let answer = http::Response::builder().status(503).header("retry-after", "7").body("").expect("valid");
    /// let unsuccessful = reqwest::Response::from(answer).successful().expect_err("no success");
    /// assert_eq!(unsuccessful.status(), 503);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsuccessful`] when it is not.
    fn successful(self) -> Result<Self, Unsuccessful>;
}

impl ResponseExt for Response {
    fn successful(self) -> Result<Self, Unsuccessful> {
        let status = self.status();
        if status.is_success() {
            return Ok(self);
        }
        let told = |kind| Refusal::new(kind, DOWNSTREAM);
        let refusal = if let Some(sign_in) = self.extensions().get().and_then(TargetRefusal::sign_in) {
            sign_in
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            told(RefusalKind::Unavailable { retry_after: retry_after(self.headers()).unwrap_or(UNSAID) })
        } else {
            told(RefusalKind::BadUpstream)
        };
        let origin = self.url().origin().ascii_serialization();
        Err(Unsuccessful { origin, status, refusal })
    }
}

/// For how long a target says that it is unavailable: for so many seconds or until some time (RFC 9110 §10.2.3), which
/// counts from when the answer was made (§6.6.1), for both are told by the target's clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let until = text(RETRY_AFTER)?;
    if let Ok(seconds) = until.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = |text| httpdate::parse_http_date(text).ok();
    time(until)?.duration_since(time(text(DATE)?)?).ok()
}

#[cfg(test)]
mod tests {
    use tower_identity_core::Scopes;

    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Response {
        let builder = http::Response::builder().status(status);
        retry_after
            .into_iter()
            .fold(builder, |builder, value| builder.header(RETRY_AFTER, value))
            .body("")
            .expect("valid")
            .into()
    }

    #[test]
    fn an_outage_of_the_target_is_told_as_one_and_everything_else_as_its_failure() {
        let unavailable = |seconds| RefusalKind::Unavailable { retry_after: Duration::from_secs(seconds) };
        for (status, retry_after, expected) in [
            (503, Some("7"), unavailable(7)),
            (503, Some("soon"), unavailable(1)),
            (503, None, unavailable(1)),
            (500, Some("7"), RefusalKind::BadUpstream),
            (401, None, RefusalKind::BadUpstream),
            (404, None, RefusalKind::BadUpstream),
            (302, None, RefusalKind::BadUpstream),
        ] {
            let unsuccessful = answer(status, retry_after).successful().expect_err("no success");
            assert_eq!((unsuccessful.status().as_u16(), unsuccessful.refusal.kind()), (status, &expected));
            assert_eq!(Refusal::find(&unsuccessful).map(Refusal::kind), Some(&expected));
        }
        for status in [200, 201, 204] {
            assert_eq!(answer(status, None).successful().expect("a success").status().as_u16(), status);
        }
    }

    #[test]
    fn an_outage_until_some_time_counts_from_when_the_target_answered() {
        let noon = "Sun, 22 Nov 2026 12:00:00 GMT";
        for (until, date, seconds) in [
            ("Sun, 22 Nov 2026 12:02:00 GMT", Some(noon), 120),
            ("Sunday, 22-Nov-26 12:02:00 GMT", Some(noon), 120),
            (noon, Some(noon), 0),
            // Nobody knows, or it is over.
            ("Sun, 22 Nov 2026 12:02:00 GMT", None, 1),
            ("Sun, 22 Nov 2026 12:02:00 GMT", Some("noon"), 1),
            ("Sun, 22 Nov 2026 11:59:59 GMT", Some(noon), 1),
        ] {
            let mut answer = answer(503, Some(until));
            if let Some(date) = date {
                answer.headers_mut().insert(DATE, date.parse().expect("a value"));
            }
            let unsuccessful = answer.successful().expect_err("no success");
            let expected = RefusalKind::Unavailable { retry_after: Duration::from_secs(seconds) };
            assert_eq!(unsuccessful.refusal.kind(), &expected, "{until} {date:?}");
        }
    }

    #[test]
    fn rfc9470_b1_a_sign_in_that_the_target_wants_of_the_user_is_told_and_of_a_service_is_not() {
        let challenge =
            r#"Bearer error="insufficient_user_authentication", scope="a", acr_values="urn:mfa", max_age="300""#;
        let refusal = |challenge: &str, of_user| {
            let mut answer = answer(401, None);
            answer.headers_mut().insert("www-authenticate", challenge.parse().expect("a value"));
            let refusal = TargetRefusal::read(answer.status(), answer.headers(), of_user, || true);
            answer.extensions_mut().insert(refusal.expect("a refusal"));
            answer.successful().expect_err("no success").refusal
        };
        let refused = |challenge: &str, of_user| refusal(challenge, of_user).kind().clone();
        let demanded = |challenge: &str, of_user| {
            refusal(challenge, of_user).demanded_claims().map(|claims| claims.as_str().to_owned())
        };
        let again = RefusalKind::InsufficientAuthentication {
            scope: Scopes::default(),
            acr_values: vec!["urn:mfa".to_owned()],
            max_age: Some(Duration::from_secs(300)),
        };
        assert_eq!(refused(challenge, true), again);
        let claims = r#"Bearer error="insufficient_claims", claims="e30=", acr_values="urn:mfa", max_age="300""#;
        assert_eq!(refused(claims, true), again);
        assert_eq!(demanded(claims, true).as_deref(), Some("{}"));
        assert_eq!(demanded(challenge, true), None);
        assert_eq!(refused(claims, false), RefusalKind::BadUpstream);
        assert_eq!(demanded(claims, false), None);
        assert_eq!(refused(challenge, false), RefusalKind::BadUpstream);
        assert_eq!(refused(r#"Bearer error="invalid_token""#, true), RefusalKind::BadUpstream);
    }
}
