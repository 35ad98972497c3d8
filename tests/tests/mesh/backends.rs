//! With both backends of jsonwebtoken in the dependency graph, its global entry points panic. Any crate of a user may
//! bring that about, so this binary does, and everything else in it shows that we never go there.

use std::panic::catch_unwind;

use jsonwebtoken::{Algorithm, EncodingKey, Header};

#[test]
#[expect(clippy::disallowed_methods, reason = "shows what the ban is for")]
fn this_binary_runs_where_the_global_entry_points_panic() {
    let claims = serde_json::json!({ "sub": "alice" });
    let signed = catch_unwind(|| {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(b"secret"))
    });
    assert!(signed.is_err(), "one backend alone is on: this binary no longer tests what it says");
}
