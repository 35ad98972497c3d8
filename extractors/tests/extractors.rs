//! The extractors and `Problem` behind a real router.

use std::{error::Error, fmt, io, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use axum_identity::{Caller, Claims, Problem, Rejection, UserCaller, WorkloadCaller};
use http::{HeaderValue, Request, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_identity_core::{Refusal, RefusalKind, ambient};
use tower_identity_testkit::{LogCapture, TestCaller, WithCallerLayer, with_caller, without_caller};

/// What a peer sees of a response.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    challenge: Option<String>,
    body: Value,
}

/// A response without the correlation id, which differs each time; that header and body agree is asserted here.
async fn see(response: Response) -> Seen {
    let (parts, body) = response.into_parts();
    let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().expect("visible ASCII").to_owned());
    let bytes = body.collect().await.expect("the body is in memory").to_bytes();
    let mut body: Value = serde_json::from_slice(&bytes).expect("a JSON body");
    if let Value::Object(members) = &mut body {
        let correlation = members.remove("correlation_id");
        assert_eq!(correlation.as_ref().and_then(Value::as_str), text("x-correlation-id").as_deref());
    }
    Seen { status: parts.status.as_u16(), challenge: text("www-authenticate"), body }
}

fn handled(body: impl Into<Value>) -> Seen {
    Seen { status: 200, challenge: None, body: body.into() }
}

fn no_credential() -> Seen {
    refused(401, Some(r#"Bearer realm="api""#), "Unauthorized", "no_credential", "this request needs an access token")
}

fn denied() -> Seen {
    refused(403, None, "Forbidden", "denied", "this caller may not do this")
}

fn our_fault(code: &str) -> Seen {
    let detail = "this service could not handle the request";
    refused(500, None, "Internal Server Error", code, detail)
}

fn refused(status: u16, challenge: Option<&str>, title: &str, code: &str, detail: &str) -> Seen {
    let body = json!({"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code});
    Seen { status, challenge: challenge.map(str::to_owned), body }
}

#[derive(serde::Deserialize)]
struct Department {
    department: String,
}

fn routes() -> Router {
    Router::new()
        .route("/caller", get(|caller: Caller| async move { Json(caller.workload().id.clone()) }))
        .route("/user", get(|caller: UserCaller| async move { Json(caller.user().id.clone()) }))
        .route("/workload", get(|caller: WorkloadCaller| async move { Json(caller.workload().id.clone()) }))
        .route(
            "/anybody",
            get(|caller: Option<Caller>| async move { Json(caller.map(|caller| caller.workload().id.clone())) }),
        )
        .route("/claims", get(|Claims(claims): Claims<Department>| async move { Json(claims.department) }))
}

fn service() -> TestCaller {
    TestCaller::workload("scheduler")
}

fn alice() -> TestCaller {
    TestCaller::workload("storefront").user("alice").claim("department", "books")
}

async fn ask(router: Router, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let Ok(response) = router.oneshot(request).await;
    response
}

#[tokio::test]
async fn every_extractor_gives_what_its_name_says_or_refuses() {
    let nobody = without_caller;
    let cases: [(&str, WithCallerLayer, Seen); 15] = [
        ("/caller", with_caller(alice()), handled("storefront")),
        ("/caller", with_caller(service()), handled("scheduler")),
        ("/caller", nobody(), no_credential()),
        ("/user", with_caller(alice()), handled("alice")),
        ("/user", with_caller(service()), denied()),
        ("/user", nobody(), no_credential()),
        ("/workload", with_caller(service()), handled("scheduler")),
        ("/workload", with_caller(alice()), denied()),
        ("/workload", nobody(), no_credential()),
        ("/anybody", with_caller(alice()), handled("storefront")),
        ("/anybody", nobody(), handled(Value::Null)),
        ("/claims", with_caller(alice()), handled("books")),
        ("/claims", with_caller(alice().claim("department", 7)), denied()),
        ("/claims", with_caller(service()), denied()),
        ("/claims", nobody(), no_credential()),
    ];
    for (path, layer, expected) in cases {
        assert_eq!(see(ask(routes().layer(layer), path).await).await, expected, "{path}");
    }
}

#[tokio::test]
async fn e12_without_authentication_every_extractor_answers_500_and_tells_the_operator_why() {
    for path in ["/caller", "/user", "/workload", "/anybody", "/claims"] {
        let logs = LogCapture::start();
        // The whole body is compared, so that no name of a type is in it.
        assert_eq!(see(ask(routes(), path).await).await, our_fault("misconfigured"), "{path}");
        assert!(logs.text().contains("no AuthLayer has seen this request"), "{}", logs.text());
        assert!(logs.text().contains("stage=\"extractor\""), "{}", logs.text());
    }
}

#[tokio::test]
async fn claims_of_another_shape_are_logged_by_their_place_and_not_by_their_text() {
    let logs = LogCapture::start();
    #[derive(serde::Deserialize)]
    struct Clearance {
        clearance: u8,
    }
    let handler = |Claims(claims): Claims<Clearance>| async move { Json(claims.clearance) };
    let router = |clearance: Value| {
        Router::new().route("/", get(handler)).layer(with_caller(service().claim("clearance", clearance)))
    };
    assert_eq!(see(ask(router(json!(7)), "/").await).await, handled(7));
    assert_eq!(see(ask(router(json!("secret-project")), "/").await).await, denied());
    assert!(logs.text().contains("no such claims, Data error at column"), "{}", logs.text());
    logs.assert_hides(["secret-project"]);
}

#[tokio::test]
async fn two_a4_claims_are_the_users_and_never_the_callers_own_in_their_place() {
    let storefront = || TestCaller::workload("storefront").claim("department", "all of them");
    for (caller, expected) in [
        (storefront().beside(alice()), handled("books")),
        (storefront().alone(), denied()),
        // Where no user's credential can be left out.
        (storefront(), handled("all of them")),
    ] {
        let logs = LogCapture::start();
        assert_eq!(see(ask(routes().layer(with_caller(caller)), "/claims").await).await, expected);
        let told = logs.text().contains("needs the claims of a user, who was left out");
        assert_eq!(told, expected == denied(), "{}", logs.text());
    }
}

#[tokio::test]
async fn g1_an_extractor_refuses_a_call_over_grpc_in_its_own_language() {
    let mut request = Request::post("/user").body(Body::empty()).expect("a request");
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
    let router = Router::new().route("/user", post(|caller: UserCaller| async move { Json(caller.user().id.clone()) }));
    let Ok(response) = router.layer(with_caller(service())).oneshot(request).await;
    assert_eq!((response.status().as_u16(), &response.headers()["grpc-status"]), (200, &HeaderValue::from_static("7")));
    assert!(http_body::Body::is_end_stream(response.body()));
}

#[tokio::test]
async fn a_caller_serializes_as_its_principal_and_carries_its_scope_into_tasks() {
    async fn whoami(caller: Caller) -> Json<Value> {
        let carried = caller.scope(async { ambient::current().map(|it| it.principal().workload().id.to_string()) });
        let carried = tokio::spawn(carried).await.expect("the task ends");
        let lost = tokio::spawn(async { ambient::current().is_some() }).await.expect("the task ends");
        Json(json!({"principal": &caller, "carried": carried, "lost": !lost}))
    }
    let caller = TestCaller::workload("storefront").user("alice").scope("b a").token_id("t-1");
    let router = Router::new().route("/", get(whoami)).layer(with_caller(caller));
    let id = |id: &str| json!({"id": id, "issuer": "https://issuer.test"});
    let expected = json!({
        "principal": {
            "caller": id("storefront"), "user": id("alice"), "actors": [], "scopes": ["a", "b"], "audience": "test",
            "evidence": "issued_to", "binding": "same_token", "token_id": "t-1",
        },
        "carried": "storefront",
        "lost": true,
    });
    assert_eq!(see(ask(router, "/").await).await, handled(expected));
}

#[tokio::test]
async fn a_handler_may_take_a_rejection_in_its_own_hands() {
    async fn handler(caller: Result<UserCaller, Rejection>) -> Result<Json<&'static str>, Problem> {
        match caller {
            Err(rejection) if *rejection.refusal().kind() == RefusalKind::NoCredential => Ok(Json("sign in")),
            caller => caller.map(|_| Json("hello")).map_err(Problem::from),
        }
    }
    let router = || Router::new().route("/", get(handler));
    let cases = [
        (without_caller(), handled("sign in")),
        (with_caller(alice()), handled("hello")),
        (with_caller(service()), denied()),
    ];
    for (layer, expected) in cases {
        assert_eq!(see(ask(router().layer(layer), "/").await).await, expected);
    }
}

/// An error around another, as clients have them.
#[derive(Debug)]
struct CallFailed(Box<dyn Error + Send + Sync>);

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("calling secret-host failed")
    }
}

impl Error for CallFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

fn around(inner: impl Error + Send + Sync + 'static) -> CallFailed {
    CallFailed(Box::new(inner))
}

#[tokio::test]
async fn a_problem_answers_as_the_refusal_among_its_causes() {
    let unavailable = Refusal::new(RefusalKind::Unavailable { retry_after: Duration::from_secs(7) }, "token endpoint");
    let cases = [
        (unavailable.clone(), 503, "Service Unavailable", "unavailable", "this cannot be decided now, try again later"),
        (Refusal::new(RefusalKind::Denied, "grant"), 403, "Forbidden", "denied", "this caller may not do this"),
        (
            Refusal::new(RefusalKind::BadUpstream, "html"),
            502,
            "Bad Gateway",
            "bad_upstream",
            "a service that this one depends on gave an unusable answer",
        ),
    ];
    for (refusal, status, title, code, detail) in cases {
        let problems: [Problem; 4] = [
            refusal.clone().into(),
            around(refusal.clone()).into(),
            around(around(refusal.clone())).into(),
            Problem::boxed(Box::new(around(refusal.clone()))),
        ];
        for problem in problems {
            assert_eq!(problem.refusal().map(Refusal::kind), Some(refusal.kind()));
            let response = problem.into_response();
            let retry_after = matches!(refusal.kind(), RefusalKind::Unavailable { .. }).then(|| HeaderValue::from(7));
            assert_eq!(response.headers().get("retry-after"), retry_after.as_ref());
            assert_eq!(see(response).await, refused(status, None, title, code, detail));
        }
    }
    let rejected = Problem::from(around(Refusal::new(RefusalKind::InvalidToken, "invalid_grant"))).into_response();
    let challenge = Some(r#"Bearer error="invalid_token""#);
    let expected = refused(401, challenge, "Unauthorized", "invalid_token", "the access token was not accepted");
    assert_eq!(see(rejected).await, expected);
}

#[tokio::test]
async fn e_p1_any_other_error_is_500_without_its_text_which_is_in_the_log_under_the_same_id() {
    async fn handler() -> Result<(), Problem> {
        Err(around(io::Error::other("disk /var/secret-path is full")))?;
        Ok(())
    }
    let logs = LogCapture::start();
    let response = ask(Router::new().route("/", get(handler)), "/").await;
    let correlation = response.headers()["x-correlation-id"].to_str().expect("visible ASCII").to_owned();
    assert_eq!(see(response).await, our_fault("internal"));

    let text = logs.text();
    let told =
        ["ERROR", "stage=\"handler\"", "calling secret-host failed: disk /var/secret-path is full", &correlation];
    for part in told {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn said_a3_defer_a3_a_handler_sees_a_caller_by_its_own_word_behind_a_rule_that_says_so_and_nowhere_else() {
    use tower_identity_core::Binding;
    use tower_identity_inbound::rule::{deferred_user, self_asserted_user};

    let words = [
        (Binding::SelfAsserted, self_asserted_user(), deferred_user()),
        (Binding::Deferred, deferred_user(), self_asserted_user()),
    ];
    for (binding, rule, other) in words {
        let said = || alice().binding(binding);
        let behind = |rule: &tower_identity_inbound::Rule| {
            routes().layer(tower_identity_inbound::RequireLayer::new(rule.clone())).layer(with_caller(said()))
        };
        for path in ["/caller", "/user", "/anybody", "/claims"] {
            for refused in [routes().layer(with_caller(said())), behind(&other)] {
                let seen = see(ask(refused, path).await).await;
                assert_eq!((seen.status, &seen.body["code"]), (403, &json!("unrelated_credentials")), "{path}");
            }
            assert_eq!(see(ask(behind(&rule), path).await).await.status, 200, "{path}");
            assert_eq!(see(ask(routes().layer(with_caller(alice())), path).await).await.status, 200, "{path}");
        }
    }
}
