//! An introspection endpoint that is as it should be, and one that is not.

use std::{error::Error, pin::pin, time::Duration};

use axum::{
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use tower_identity_core::{Issuer, RefusalKind, SecretToken, Timestamp};
use tower_identity_jose::{Algorithm, KeySet, MediaType, OpenError, SigningKey};
use tower_identity_oauth::{
    ClientAuth, ConfigurationProblem, DEADLINE, Introspected, Introspection, IntrospectionClient, IntrospectionError,
    IntrospectionErrorKind, InvalidAnswer, Nonsense, SignedAnswer,
};

use crate::support::{self, ManualTime, START, Server, html, poll_once, raw_server};

const ISSUER: &str = "https://as.example";
const TOKEN: &str = "opaque-token-2YotnFZFEjr1zCsicMWpAA";
const SIGNED: &str = "application/token-introspection+jwt";

fn issuer() -> Issuer {
    ISSUER.parse().expect("issuer")
}

fn auth() -> ClientAuth {
    ClientAuth::client_secret_basic("orders", "hunter2").expect("usable")
}

fn at(url: &str) -> Introspection {
    Introspection::at(url, auth())
}

fn connect(introspection: &Introspection) -> IntrospectionClient {
    introspection.connect(&issuer(), &ManualTime::new().http()).expect("loopback")
}

async fn ask(introspection: &Introspection) -> Result<Introspected, IntrospectionError> {
    connect(introspection).introspect(&SecretToken::new(TOKEN)).await
}

/// What was said, as far as it can be compared.
#[derive(Debug, PartialEq)]
enum Said {
    Inactive,
    Active(Value),
    Signed,
    Jwt(String),
}

fn said(introspected: &Introspected) -> Said {
    match introspected {
        Introspected::Inactive => Said::Inactive,
        Introspected::Active(members) => Said::Active(serde_json::from_slice(members.json()).expect("an object")),
        Introspected::Signed(_) => Said::Signed,
        Introspected::Jwt(jwt) => Said::Jwt(jwt.expose().to_owned()),
        other => panic!("{other:?}"),
    }
}

fn typed(media_type: &str, body: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, media_type.to_owned())], body.into()).into_response()
}

#[tokio::test]
async fn rfc7662_a1_a_token_is_posted_with_who_we_are() {
    let server = Server::start().await;
    server.answer(|_| support::json(json!({"active": true, "sub": "alice"}).to_string()));
    let url = server.url("/introspect");
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let secret = |found: &str| found == "hunter2";
    for (name, auth, basic, posted) in [
        ("basic", auth(), Some("Basic b3JkZXJzOmh1bnRlcjI="), None),
        ("post", ClientAuth::client_secret_post("orders", "hunter2").expect("usable"), None, Some("client_secret")),
        ("key", ClientAuth::private_key_jwt("orders", key).expect("usable"), None, Some("client_assertion")),
    ] {
        let found = ask(&Introspection::at(&url, auth)).await.expect("an answer");
        assert_eq!(said(&found), Said::Active(json!({"active": true, "sub": "alice"})), "{name}");
        let [request] = &server.arrived()[..] else { panic!("{name}: one request") };
        assert_eq!((&request.method, request.uri.to_string().as_str()), (&Method::POST, "/introspect"), "{name}");
        let header = |name| request.headers.get(name).map(|value| value.to_str().expect("ascii"));
        assert_eq!(header(header::CONTENT_TYPE), Some("application/x-www-form-urlencoded"), "{name}");
        assert_eq!(header(header::ACCEPT), Some("application/json"), "{name}");
        assert_eq!(header(header::AUTHORIZATION), basic, "{name}");
        let form = request.form();
        let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        assert_eq!((field("token"), field("token_type_hint")), (Some(TOKEN), Some("access_token")), "{name}");
        for proof in ["client_secret", "client_assertion"] {
            assert_eq!(field(proof).is_some(), posted == Some(proof), "{name}");
        }
        assert!(field("client_secret").is_none_or(secret), "{name}");
    }
}

#[tokio::test]
async fn rfc7662_a2_only_a_boolean_true_is_active() {
    let server = Server::start().await;
    for (answer, active) in [
        (r#"{"active":true,"sub":"alice"}"#, true),
        (r#"{"active":false,"sub":"alice"}"#, false),
        (r#"{"sub":"alice"}"#, false),
        (r#"{"active":"true","sub":"alice"}"#, false),
        (r#"{"active":1,"sub":"alice"}"#, false),
        (r#"{"active":null,"sub":"alice"}"#, false),
        (r#"{"active":[true],"sub":"alice"}"#, false),
        (r#"{"Active":true,"sub":"alice"}"#, false),
        ("{}", false),
    ] {
        server.forget_answers().answer(move |_| support::json(answer));
        let found = ask(&at(&server.url("/introspect"))).await.expect("an answer");
        assert_eq!(said(&found) != Said::Inactive, active, "{answer}");
    }
}

#[tokio::test]
async fn rfc7662_a5_whatever_fails_is_never_the_callers_fault() {
    use IntrospectionErrorKind::{Nonsense as Is, OurConfiguration, Unavailable};

    let seconds = Duration::from_secs;
    let status = |status: u16| OurConfiguration {
        problem: ConfigurationProblem::Status(StatusCode::from_u16(status).expect("a status")),
    };
    let later = |after| Unavailable { retry_after: seconds(after) };
    let nonsense = |what| Is { what };
    let unavailable = |after| RefusalKind::Unavailable { retry_after: seconds(after) };
    type Answers = fn() -> Response;
    let cases: [(Answers, IntrospectionErrorKind, RefusalKind); 14] = [
        (|| StatusCode::UNAUTHORIZED.into_response(), status(401), unavailable(30)),
        (|| StatusCode::FORBIDDEN.into_response(), status(403), unavailable(30)),
        (|| StatusCode::BAD_REQUEST.into_response(), status(400), unavailable(30)),
        (|| StatusCode::NOT_FOUND.into_response(), status(404), unavailable(30)),
        (|| StatusCode::INTERNAL_SERVER_ERROR.into_response(), later(2), unavailable(2)),
        (|| StatusCode::TOO_MANY_REQUESTS.into_response(), later(2), unavailable(2)),
        (|| (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "7")]).into_response(), later(7), unavailable(7)),
        (
            || (StatusCode::BAD_REQUEST, r#"{"error":"temporarily_unavailable"}"#).into_response(),
            later(2),
            unavailable(2),
        ),
        (
            || (StatusCode::FOUND, [(header::LOCATION, "/sign-in")]).into_response(),
            nonsense(Nonsense::Redirect(StatusCode::FOUND)),
            RefusalKind::BadUpstream,
        ),
        (|| html().into_response(), nonsense(Nonsense::NotJson), RefusalKind::BadUpstream),
        (|| support::json("[true]"), nonsense(Nonsense::NotJson), RefusalKind::BadUpstream),
        (|| support::json("null"), nonsense(Nonsense::NotJson), RefusalKind::BadUpstream),
        (|| support::json(r#"{"active":false,"active":true}"#), nonsense(Nonsense::NotJson), RefusalKind::BadUpstream),
        (
            || StatusCode::NO_CONTENT.into_response(),
            nonsense(Nonsense::Status(StatusCode::NO_CONTENT)),
            RefusalKind::BadUpstream,
        ),
    ];
    let server = Server::start().await;
    for (answer, kind, refusal) in cases {
        server.forget_answers().answer(move |_| answer());
        let error = ask(&at(&server.url("/introspect"))).await.expect_err("a failure");
        assert_eq!((error.kind(), error.refusal().kind()), (&kind, &refusal));
        assert_eq!((error.refusal().check(), error.issuer()), ("introspection", &issuer()));
        assert_eq!(server.arrived().len(), 1, "nothing below us tries again");
    }
    let named: Answers = || (StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client"}"#).into_response();
    server.forget_answers().answer(move |_| named());
    let error = ask(&at(&server.url("/introspect"))).await.expect_err("a failure");
    let told = "nothing is known of the token from https://as.example: our configuration is not accepted there: \
                it answers invalid_client; check client_id, and the secret, key or certificate";
    assert_eq!((error.to_string().as_str(), error.source().is_none()), (told, true));
}

#[tokio::test]
async fn rfc7662_a5_a_server_that_is_silent_or_gone_is_an_outage() {
    let outage = IntrospectionErrorKind::Unavailable { retry_after: Duration::from_secs(2) };
    let (url, mut arrivals) = raw_server(b"", false).await;
    let time = ManualTime::new();
    let client = at(&url).connect(&issuer(), &time.http()).expect("loopback");
    let token = SecretToken::new(TOKEN);
    let mut asking = pin!(client.introspect(&token));
    while arrivals.try_recv().is_err() {
        assert!(poll_once(asking.as_mut()).await.is_none(), "it waits");
        tokio::task::yield_now().await;
    }
    time.advance(DEADLINE);
    assert_eq!(asking.await.expect_err("too late").kind(), &outage);

    let (url, _arrivals) = raw_server(b"", true).await;
    assert_eq!(ask(&at(&url)).await.expect_err("hung up").kind(), &outage);
}

#[tokio::test]
async fn errors_and_debug_hold_neither_token_nor_secret() {
    let server = Server::start().await;
    server.answer(|arrived| (StatusCode::BAD_REQUEST, arrived.body.clone()));
    let client = connect(&at(&server.url("/introspect")));
    let error = client.introspect(&SecretToken::new(TOKEN)).await.expect_err("a failure");
    let all = format!("{error} {error:?} {client:?} {:?}", error.refusal());
    assert!(!all.contains(TOKEN) && !all.contains("hunter2"), "{all}");

    server.forget_answers().answer(|_| support::json(r#"{"active":true,"sub":"alice"}"#));
    let answer = client.introspect(&SecretToken::new(TOKEN)).await.expect("active");
    assert_eq!(format!("{answer:?}"), "Active(Members(..))");
}

#[tokio::test]
async fn rfc7662_a4_whether_an_answer_says_when_the_token_ends_is_known() {
    let server = Server::start().await;
    let introspection = at(&server.url("/introspect"));
    for (body, has_end) in [
        (r#"{"active":true,"exp":1}"#, true),
        (r#"{"active":true,"exp":"soon"}"#, true),
        (r#"{"active":true,"nbf":1}"#, false),
    ] {
        server.forget_answers().answer(move |_| support::json(body));
        let Ok(Introspected::Active(members)) = ask(&introspection).await else { panic!("active: {body}") };
        assert_eq!(members.has_end(), has_end, "{body}");
    }
}

/// A signed answer about a token of alice, to be changed.
struct Draft {
    key: SigningKey,
    header: Map<String, Value>,
    claims: Value,
}

impl Draft {
    fn new(key: &SigningKey) -> Self {
        let typ = MediaType::parse("token-introspection+jwt").expect("media type");
        let claims = json!({
            "iss": ISSUER, "aud": "orders", "iat": START,
            "token_introspection": {"active": true, "sub": "alice"},
        });
        Self { key: key.clone(), header: key.header(&typ), claims }
    }

    fn sign(&self) -> String {
        self.key.sign_with_header(&self.header, &self.claims).expect("signed").expose().to_owned()
    }
}

async fn signed(server: &Server, jwt: String) -> SignedAnswer {
    server.forget_answers().answer(move |_| typed(SIGNED, jwt.clone()));
    match ask(&at(&server.url("/introspect")).signed()).await {
        Ok(Introspected::Signed(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rfc9701_a1_a_signed_answer_is_asked_for_and_is_that_servers_for_us() {
    let (server, key) = (Server::start().await, SigningKey::generate(Algorithm::Es256).expect("a key"));
    let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
    let accept = SignedAnswer::accept([Algorithm::Es256]);
    let open = |answer: SignedAnswer| {
        let asked = Timestamp::from_secs(START - 30).saturating_add(Duration::from_millis(999));
        let issued = asked..=Timestamp::from_secs(START + 30);
        answer.open(&keys, &accept, &issuer(), ["orders", "https://orders.example"], &issued).map(|found| said(&found))
    };
    let active = || Ok(Said::Active(json!({"active": true, "sub": "alice"})));

    let control = signed(&server, Draft::new(&key).sign()).await;
    let [request] = &server.arrived()[..] else { panic!("one request") };
    assert_eq!(request.headers.get(header::ACCEPT).expect("asked for"), SIGNED);
    assert_eq!(open(control), active());

    let change = |change: &dyn Fn(&mut Draft)| {
        let mut draft = Draft::new(&key);
        change(&mut draft);
        draft.sign()
    };
    for good in [
        change(&|draft| draft.claims["aud"] = json!(["somebody", "https://orders.example"])),
        change(&|draft| draft.claims["iat"] = json!(START + 30)),
        change(&|draft| draft.claims["iat"] = json!(START - 30)),
        change(&|draft| draft.claims["active"] = json!(false)),
        change(&|draft| draft.claims["sub"] = json!("mallory")),
        change(&|draft| draft.header["typ"] = json!("application/token-introspection+JWT")),
    ] {
        assert_eq!(open(signed(&server, good).await), active());
    }
    for inactive in [
        change(&|draft| draft.claims["token_introspection"] = json!({"active": false})),
        change(&|draft| draft.claims["token_introspection"] = json!({"active": "true", "sub": "alice"})),
        change(&|draft| {
            draft.claims["token_introspection"] = json!({});
            draft.claims["active"] = json!(true);
        }),
    ] {
        assert_eq!(open(signed(&server, inactive).await), Ok(Said::Inactive));
    }

    let stranger = SigningKey::generate(Algorithm::Es256).expect("a key");
    let not_genuine = |error| Err(InvalidAnswer::NotGenuine(error));
    let typ = |found: &str| not_genuine(OpenError::Type { found: Some(found.into()) });
    let for_payments = serde_json::from_value(json!("payments")).expect("an audience");
    for (attack, expected) in [
        (change(&|draft| draft.header["typ"] = json!("at+jwt")), typ("at+jwt")),
        (change(&|draft| draft.header["typ"] = json!("JWT")), typ("JWT")),
        (change(&|draft| drop(draft.header.remove("typ"))), not_genuine(OpenError::Type { found: None })),
        (change(&|draft| draft.key = stranger.clone()), not_genuine(OpenError::Signature)),
        (change(&|draft| draft.claims["iss"] = json!("https://as.example/")), Err(InvalidAnswer::OtherIssuer)),
        (
            change(&|draft| draft.claims["aud"] = json!("payments")),
            Err(InvalidAnswer::NotForUs { found: for_payments }),
        ),
        (change(&|draft| draft.claims["iat"] = json!(START + 31)), Err(InvalidAnswer::FromTheFuture)),
        (change(&|draft| draft.claims["iat"] = json!(START - 31)), Err(InvalidAnswer::Stale)),
        (change(&|draft| draft.claims["iat"] = json!(START - 86_400)), Err(InvalidAnswer::Stale)),
    ] {
        assert_eq!(open(signed(&server, attack).await), expected);
    }
    for member in ["iss", "aud", "iat", "token_introspection"] {
        let without = change(&|draft| drop(draft.claims.as_object_mut().expect("object").remove(member)));
        let refused = open(signed(&server, without).await);
        assert!(matches!(refused, Err(InvalidAnswer::Unreadable(_))), "{member}: {refused:?}");
    }
    let unknown = change(&|draft| {
        draft.key = stranger.clone();
        draft.header["kid"] = json!("another");
    });
    assert!(open(signed(&server, unknown).await).expect_err("unknown").is_of_unknown_key());
}

#[tokio::test]
async fn rfc9701_a2_where_a_signed_answer_is_demanded_a_plain_one_is_refused() {
    let server = Server::start().await;
    let plain = json!({"active": true, "sub": "alice"}).to_string();
    let introspection = at(&server.url("/introspect"));
    let not_signed = IntrospectionErrorKind::Nonsense { what: Nonsense::MediaType(SIGNED) };
    let jwt = Draft::new(&SigningKey::generate(Algorithm::Es256).expect("a key")).sign();
    for (media_type, body) in [
        ("application/json", plain.clone()),
        ("application/json", json!({"active": false}).to_string()),
        ("application/json", jwt.clone()),
        ("application/jwt", jwt.clone()),
    ] {
        server.forget_answers().answer(move |_| typed(media_type, body.clone()));
        let refused = ask(&introspection.clone().signed()).await.expect_err("a downgrade");
        assert_eq!((refused.kind(), refused.refusal().kind()), (&not_signed, &RefusalKind::BadUpstream));
    }
    server.forget_answers().answer(move |_| typed(SIGNED, plain.clone()));
    let refused = ask(&introspection.clone().signed()).await.expect_err("a plain one in disguise");
    assert_eq!(refused.kind(), &IntrospectionErrorKind::Nonsense { what: Nonsense::NotAJwt });

    server.forget_answers().answer(move |_| typed("Application/Token-Introspection+JWT; charset=utf-8", jwt.clone()));
    assert_eq!(said(&ask(&introspection.signed()).await.expect("the control")), Said::Signed);
}

#[tokio::test]
async fn phantom_a1_a_phantom_is_asked_for_and_nothing_else_is_taken_for_one() {
    let server = Server::start().await;
    let phantom = at(&server.url("/introspect")).phantom();
    server.answer(|_| typed("application/jwt", "aaa.bbb.ccc\n"));
    assert_eq!(said(&ask(&phantom).await.expect("a JWT")), Said::Jwt("aaa.bbb.ccc".to_owned()));
    let [request] = &server.arrived()[..] else { panic!("one request") };
    assert_eq!(request.headers.get(header::ACCEPT).expect("asked for"), "application/jwt");

    server.forget_answers().answer(|_| StatusCode::NO_CONTENT);
    assert_eq!(said(&ask(&phantom).await.expect("no JWT")), Said::Inactive);
    server.forget_answers().answer(|_| support::json(r#"{"active":false}"#));
    assert_eq!(said(&ask(&phantom).await.expect("no JWT")), Said::Inactive);

    let nonsense = |what| IntrospectionErrorKind::Nonsense { what };
    let not_one = || nonsense(Nonsense::MediaType("application/jwt"));
    type Answers = fn() -> Response;
    let cases: [(Answers, IntrospectionErrorKind); 4] = [
        (|| support::json(r#"{"active":true,"sub":"alice"}"#), not_one()),
        (|| typed("text/plain", "aaa.bbb.ccc"), not_one()),
        (|| typed("application/jwt", "aaa.bbb.ccc\r\nx-user: alice"), nonsense(Nonsense::NotAJwt)),
        (|| typed("application/jwt", ""), nonsense(Nonsense::NotAJwt)),
    ];
    for (answer, expected) in cases {
        server.forget_answers().answer(move |_| answer());
        assert_eq!(ask(&phantom).await.expect_err("no phantom").kind(), &expected);
    }
}
