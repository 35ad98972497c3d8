//! A session's cookie at the edge: an opaque id comes in, an internal identity goes on.

use std::{
    collections::HashMap,
    future::ready,
    sync::{Arc, Mutex},
};

use http::header::{AUTHORIZATION, COOKIE};
use tower_identity_core::{BoxFuture, SecretToken, transaction_tokens::FIELD};
use tower_identity_edge::EdgeLayer;
use tower_identity_inbound::{SessionCookie, SessionStore, Source, session::StoreError};

use crate::{
    support::{Edge, SHOP},
    through::{Asked, found, through, with},
};

const ID: &str = "Zm9vYmFy";

#[derive(Clone, Default)]
struct Store(Arc<Mutex<HashMap<String, SecretToken>>>);

impl SessionStore for Store {
    fn token(&self, session: SessionCookie) -> BoxFuture<'_, Result<Option<SecretToken>, StoreError>> {
        Box::pin(ready(Ok(self.0.lock().expect("no panic").get(session.expose()).cloned())))
    }
}

/// A browser's request, from a page of the same site.
fn of_session(id: &str) -> Asked {
    let mut request = with(&SecretToken::new("of nobody"));
    request.headers_mut().remove(AUTHORIZATION);
    request.headers_mut().insert(COOKIE, format!("__Host-session={id}").parse().expect("a value"));
    request
}

#[tokio::test]
async fn sess_a1_behind_the_edge_a_sessions_user_is_the_internal_one_until_it_ends() {
    let edge = Edge::new();
    let store = Store::default();
    let token = edge.token("alice").build();
    let sources = [Source::authorization(), Source::cookie("__Host-session").expect("a cookie")];
    let auth = edge.outside().sources(sources).expect("sources").sessions(store.clone()).expect("a cookie is there");
    let layer = EdgeLayer::new(auth.edge(), edge.mint.clone(), SHOP).expect("a layer").forwarding();
    assert_eq!(through(&layer, of_session(ID)).await.status(), 401, "nobody has signed in yet");

    store.0.lock().expect("no panic").insert(ID.to_owned(), token.clone());
    for temperature in ["cold", "warm"] {
        let found = found(&through(&layer, of_session(ID)).await);
        let inside = found.inbound.expect("a caller");
        let user = inside.principal().user().expect("a user");
        assert_eq!((user.issuer.as_str(), user.id.as_str()), (SHOP, &*edge.name("alice")), "{temperature}");
        assert_eq!(inside.caller_token().token(), None, "{temperature}");
        assert_eq!((found.headers.get(COOKIE), found.headers.get(AUTHORIZATION)), (None, None), "{temperature}");
        assert!(found.headers.contains_key(FIELD), "{temperature}");
    }
    // Her identity is remembered inside, and her session is asked about all the same.
    store.0.lock().expect("no panic").clear();
    assert_eq!(through(&layer, of_session(ID)).await.status(), 401);
    found(&through(&layer, with(&token)).await);
}
