//! What a peer is told, as a value to compare.

use reqwest::{Response, StatusCode, header};
use serde_json::Value;

/// What a peer can see of an answer, without the correlation id, which is another each time.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) title: Option<String>,
}

pub(crate) async fn answer(response: Response) -> Answer {
    let text = |name: header::HeaderName| response.headers().get(name).map(|v| v.to_str().expect("ascii").to_owned());
    let (status, challenge, retry_after) =
        (response.status(), text(header::WWW_AUTHENTICATE), text(header::RETRY_AFTER));
    let id = text(header::HeaderName::from_static("x-correlation-id"));
    let is_problem = text(header::CONTENT_TYPE).as_deref() == Some("application/problem+json");
    let body: Value = response.json().await.expect("json");
    if status.is_success() {
        assert!(!is_problem && id.is_none());
        return Answer { status: status.as_u16(), challenge, retry_after, title: None };
    }
    assert!(is_problem, "{status}: every refusal is a problem");
    assert_eq!(body["status"], status.as_u16(), "{body}");
    assert_eq!(body["correlation_id"].as_str(), id.as_deref(), "{body}");
    Answer { status: status.as_u16(), challenge, retry_after, title: body["title"].as_str().map(str::to_owned) }
}

pub(crate) fn refused(status: StatusCode, challenge: Option<&str>, retry_after: Option<&str>, title: &str) -> Answer {
    let own = |text: &str| text.to_owned();
    Answer {
        status: status.as_u16(),
        challenge: challenge.map(own),
        retry_after: retry_after.map(own),
        title: Some(own(title)),
    }
}

pub(crate) const PASSED: Answer = Answer { status: 200, challenge: None, retry_after: None, title: None };
