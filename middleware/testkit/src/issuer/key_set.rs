//! The key set: how long it is good, by what it is recognised, and who gets it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};
use tower_identity_core::Fingerprint;

use super::{
    Endpoint, TestIssuer, grant,
    response::{json_response, plain},
    state::Shared,
};

/// How the key set is answered.
#[derive(Debug)]
pub(super) struct KeySetAnswers {
    cache_control: Option<String>,
    is_tagged: bool,
    not_modified: usize,
    /// The scope of the tokens that it demands, if it does.
    demands: Option<String>,
    /// The tokens that it was shown for.
    shown_for: Vec<String>,
    /// The tokens that it no longer takes.
    refused: Vec<String>,
}

impl Default for KeySetAnswers {
    fn default() -> Self {
        let cache_control = Some("public, max-age=300".to_owned());
        Self {
            cache_control,
            is_tagged: false,
            not_modified: 0,
            demands: None,
            shown_for: Vec::new(),
            refused: Vec::new(),
        }
    }
}

/// How its key set is answered.
impl TestIssuer {
    /// How long the key set says that it is fresh (`max-age`): five minutes; `None` to say nothing.
    pub fn key_max_age(&self, age: Option<Duration>) {
        self.key_set(|keys| keys.cache_control = age.map(|age| format!("public, max-age={}", age.as_secs())));
    }

    /// What the key set says in `Cache-Control`.
    ///
    /// # Panics
    ///
    /// In the answer, when it is nothing that a header may hold.
    pub fn key_cache_control(&self, value: impl Into<String>) {
        self.key_set(|keys| keys.cache_control = Some(value.into()));
    }

    /// Gives the key set an entity tag from now on, and sends it only to who does not have it (RFC 9110 §13.1.2).
    pub fn tag_keys(&self) {
        self.key_set(|keys| keys.is_tagged = true);
    }

    /// How often somebody was told that the key set has not changed.
    #[must_use]
    pub fn keys_not_modified(&self) -> usize {
        self.key_set(|keys| keys.not_modified)
    }

    /// Shows the key set from now on only to who presents an access token of this issuer with this scope.
    pub fn protect_keys(&self, scope: impl Into<String>) {
        self.key_set(|keys| keys.demands = Some(scope.into()));
    }

    /// No longer shows the key set for a token that it was shown for, as when tokens are revoked.
    pub fn refuse_tokens_for_keys(&self) {
        self.key_set(|keys| keys.refused.append(&mut keys.shown_for));
    }

    fn key_set<T>(&self, change: impl FnOnce(&mut KeySetAnswers) -> T) -> T {
        change(&mut self.shared.state().key_set)
    }
}

pub(super) fn document(shared: &Shared) -> Map<String, Value> {
    Map::from_iter([("keys".to_owned(), json!(shared.state().published))])
}

pub(super) fn caching(shared: &Shared) -> HeaderMap {
    let tag = tag(shared);
    let state = shared.state();
    let cache_control = state.key_set.cache_control.as_ref().map(|value| (header::CACHE_CONTROL, value.clone()));
    let tag = state.key_set.is_tagged.then_some((header::ETAG, tag));
    let value = |value: String| HeaderValue::try_from(value).expect("a test says what a header may hold");
    cache_control.into_iter().chain(tag).map(|(name, text)| (name, value(text))).collect()
}

/// What a request for the key set gets in its place: nothing new, or a refusal.
pub(super) fn instead(shared: &Shared, endpoint: Endpoint, request: &HeaderMap) -> Option<Response<Full<Bytes>>> {
    if endpoint != Endpoint::Keys {
        return None;
    }
    if !is_admitted(shared, request) {
        let mut refusal = json_response(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_token"}));
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        refusal.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return Some(refusal);
    }
    let known = request.get(header::IF_NONE_MATCH)?.to_str().ok()?.to_owned();
    let is_known = known == tag(shared);
    let mut state = shared.state();
    if !(state.key_set.is_tagged && is_known) {
        return None;
    }
    state.key_set.not_modified += 1;
    drop(state);
    let mut response = plain(StatusCode::NOT_MODIFIED, Bytes::new());
    response.headers_mut().extend(caching(shared));
    Some(response)
}

/// Changes with the keys, and with nothing else.
fn tag(shared: &Shared) -> String {
    let keys = json!(shared.state().published).to_string();
    let digest = Fingerprint::of("test-key-set").field(keys).finish();
    format!("\"{}\"", base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes()))
}

fn is_admitted(shared: &Shared, request: &HeaderMap) -> bool {
    let Some(scope) = shared.state().key_set.demands.clone() else { return true };
    let presented = request.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = presented.and_then(|value| value.strip_prefix("Bearer ")) else { return false };
    let Some(claims) = grant::open(shared, token) else { return false };
    let mut state = shared.state();
    let is_good = claims.get("scope") == Some(&json!(scope)) && !state.key_set.refused.iter().any(|no| no == token);
    if is_good {
        state.key_set.shown_for.push(token.to_owned());
    }
    is_good
}
