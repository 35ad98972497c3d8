//! A token endpoint that takes its time.

use std::{pin::pin, time::Duration};

use serde_json::json;
use tokio::select;

use crate::support::{Answer, ORDERS, Running};

async fn slow(authority: &Running, milliseconds: u64, headers: &[(&str, &str)]) -> Answer {
    let request = authority.http.post(format!("{}/dev/slow", authority.issuer));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Answer::read(request.json(&json!({ "milliseconds": milliseconds }))).await
}

#[tokio::test]
async fn a_token_takes_as_long_as_it_was_told_to_and_nothing_else_does() {
    let authority = Running::start().await;
    assert_eq!(slow(&authority, 3_600_000, &[]).await.body, json!({ "milliseconds": 60_000 }));
    assert_eq!(slow(&authority, 2_000, &[]).await.body, json!({ "milliseconds": 2_000 }));
    assert_eq!(authority.get("/jwks").await.status, 200);

    let mut token = pin!(authority.token(ORDERS, &[("grant_type", "client_credentials"), ("audience", "payments")]));
    select! {
        answer = &mut token => panic!("{:?}", answer.outcome()),
        () = authority.clock.sleepers(1) => {}
    }
    assert_eq!(authority.clock.next_wake(), Some(Duration::from_secs(2)));
    authority.advance(2);
    assert_eq!(token.await.status, 200);

    slow(&authority, 0, &[]).await;
    let form = [("grant_type", "client_credentials"), ("audience", "payments")];
    assert_eq!(authority.token(ORDERS, &form).await.status, 200);
}

#[tokio::test]
async fn a_page_in_a_browser_on_this_machine_slows_nothing() {
    let authority = Running::start().await;
    let refused = slow(&authority, 2_000, &[("origin", "https://page.example")]).await;
    assert_eq!((refused.status.as_u16(), refused.body), (403, json!({ "error": "this is for this machine only" })));
    let form = [("grant_type", "client_credentials"), ("audience", "payments")];
    assert_eq!(authority.token(ORDERS, &form).await.status, 200);
    assert_eq!(slow(&authority, 2_000, &[]).await.status, 200);
}
