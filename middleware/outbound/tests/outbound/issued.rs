//! What a token is checked for that we may read: one that is for another, of another or too large is not sent.

use serde_json::{Map, Value, json};
use tower_identity_core::{CallerContext, Refusal, RefusalKind};
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_outbound::{HttpClient, OnBehalfOf, ReadableJwt, Target};

use crate::support::{Answer, START, World, client, echoed};

/// What a good server puts into the token of an exchange for alice.
pub(crate) fn good() -> Map<String, Value> {
    let claims = json!({
        "iss": "https://login.example.com",
        "sub": "alice",
        "aud": "payments",
        "exp": START + 3600,
        "client_id": "orders",
        "act": {"sub": "orders"},
    });
    let Value::Object(claims) = claims else { unreachable!("an object") };
    claims
}

/// The same but for these claims; `null` takes one away.
pub(crate) fn but(changes: &Value) -> Map<String, Value> {
    let mut claims = good();
    for (name, value) in changes.as_object().expect("an object") {
        claims.insert(name.clone(), value.clone());
    }
    claims.retain(|_, value| !value.is_null());
    claims
}

pub(crate) fn signed(claims: &Map<String, Value>) -> String {
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    key.sign(&MediaType::ACCESS_TOKEN, claims).expect("signed").expose().to_owned()
}

/// The answer that brings this token.
pub(crate) fn bringing(token: &str) -> Answer {
    Answer::ok(format!(
        r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":300,
            "issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}}"#
    ))
}

/// Sends a request for alice, where she is known by this token.
async fn sent(http: &HttpClient, world: &World, subject_token: &str) -> Result<String, Refusal> {
    let alice = world.presented("alice", subject_token, 3600);
    match alice.scope(async { http.get(world.payments.url("/charges")).send().await }).await {
        Ok(response) => Ok(echoed(Ok(response)).await),
        Err(error) => Err(error.refusal().expect("refused before it was sent").clone()),
    }
}

/// One target, whose tokens are of a kind.
struct Desk {
    world: World,
    http: HttpClient,
}

impl Desk {
    async fn new(target: impl FnOnce(Target) -> Target) -> Self {
        let world = World::new().await;
        let outbound = world.builder().target(target(world.payments.target())).build().expect("outbound");
        Self { http: client(&outbound), world }
    }

    /// What comes of a token: that it was sent, or the check that it fails with what is said of it, and then nothing was.
    async fn outcome(&self, token: &str) -> Result<(), (&'static str, String)> {
        let Self { world, http } = self;
        let before = (world.authority.calls().len(), world.payments.got().len());
        world.authority.answers(bringing(token));
        // What was obtained for one subject token is not there for the next.
        let result = sent(http, world, &format!("token-{}", before.0)).await;
        let after = (world.authority.calls().len(), world.payments.got().len());
        match result {
            Ok(authorization) => {
                assert_eq!(authorization, format!("Bearer {token}"));
                Ok(())
            }
            Err(refusal) => {
                assert_eq!(refusal.kind(), &RefusalKind::BadUpstream);
                assert_eq!(
                    refusal.named_issuer().map(tower_identity_core::Issuer::as_str),
                    Some(world.authority.issuer())
                );
                assert_eq!(after, (before.0 + 1, before.1), "{refusal}: nothing is sent, nor tried again");
                Err((refusal.check(), refusal.explanation().unwrap_or_default().to_owned()))
            }
        }
    }
}

impl Desk {
    /// What comes of a token with these claims for this caller.
    async fn judged(&self, caller: &CallerContext, claims: &Value) -> Result<(), (&'static str, String)> {
        let Self { world, http } = self;
        world.authority.answers(bringing(&signed(&but(claims))));
        let sent = http.get(world.payments.url("/")).on_behalf_of(caller).send().await;
        assert_eq!(world.payments.got().len(), usize::from(sent.is_ok()));
        sent.map(drop).map_err(|error| {
            let refusal = error.refusal().expect("refused before it was sent");
            (refusal.check(), refusal.explanation().unwrap_or_default().to_owned())
        })
    }
}

async fn outcome(target: impl FnOnce(Target) -> Target, token: &str) -> Result<(), (&'static str, String)> {
    Desk::new(target).await.outcome(token).await
}

fn users(readable: ReadableJwt) -> impl FnOnce(Target) -> Target {
    move |target| target.token_exchange().readable_jwt(readable)
}

#[tokio::test]
async fn te_b4_a_token_of_an_exchange_that_we_may_read_is_for_the_target_and_of_the_user_and_ours() {
    let readable = Desk::new(users(ReadableJwt::new())).await;
    let opaque = Desk::new(Target::token_exchange).await;
    let cases = [
        (json!({}), None),
        (json!({"aud": ["ledger", "payments"]}), None),
        (json!({"exp": null, "client_id": null, "act": null}), None),
        (json!({"azp": "orders", "appid": "orders", "cid": "orders"}), None),
        (json!({"act": {"sub": "orders", "act": {"sub": "storefront"}}}), None),
        (json!({"aud": "ledger"}), Some(("issued_aud", r#"expected one of ["payments"], found ["ledger"]"#))),
        (json!({"aud": "payments "}), Some(("issued_aud", "aud is of a wrong type"))),
        (json!({"aud": "Payments"}), Some(("issued_aud", r#"expected one of ["payments"], found ["Payments"]"#))),
        (json!({"aud": []}), Some(("issued_aud", "aud is of a wrong type"))),
        (json!({"aud": null}), Some(("issued_aud", r#"expected one of ["payments"], and aud is missing"#))),
        (json!({"sub": "bob"}), Some(("issued_sub", "sub is another than the subject token's"))),
        (json!({"sub": "Alice"}), Some(("issued_sub", "sub is another than the subject token's"))),
        (json!({"sub": ["alice"]}), Some(("issued_sub", "sub is of a wrong type"))),
        (json!({"sub": null}), Some(("issued_sub", "sub is missing"))),
        (
            json!({"sub": "orders"}),
            Some(("issued_sub", "expected a token of the subject token's user, found one of this service's own")),
        ),
        (json!({"act": {"sub": "bob"}}), Some(("issued_act", r#"expected ["orders"] as the actor, found another"#))),
        (
            json!({"act": {"sub": "orders", "iss": "https://partner.example"}}),
            Some(("issued_act", r#"expected ["orders"] as the actor, found another"#)),
        ),
        (
            json!({"act": {"sub": "storefront", "act": {"sub": "orders"}}}),
            Some(("issued_act", r#"expected ["orders"] as the actor, found another"#)),
        ),
        (json!({"act": "orders"}), Some(("issued_act", "act is of a wrong type"))),
        (json!({"act": {}}), Some(("issued_act", "sub of act is missing"))),
        (
            json!({"client_id": "storefront"}),
            Some(("issued_act", r#"expected client_id to be one of ["orders"], found "storefront""#)),
        ),
        (
            json!({"azp": "storefront"}),
            Some(("issued_act", r#"expected azp to be one of ["orders"], found "storefront""#)),
        ),
        (
            json!({"appid": "storefront"}),
            Some(("issued_act", r#"expected appid to be one of ["orders"], found "storefront""#)),
        ),
        (
            json!({"cid": "storefront"}),
            Some(("issued_act", r#"expected cid to be one of ["orders"], found "storefront""#)),
        ),
        (json!({"azp": 1}), Some(("issued_act", "azp is of a wrong type"))),
        (json!({"exp": START}), Some(("issued_exp", "exp was 0 s ago"))),
        (json!({"exp": START + 1}), None),
        (json!({"exp": START - 5}), Some(("issued_exp", "exp was 5 s ago"))),
        (json!({"exp": "1793491500"}), Some(("issued_exp", "exp is of a wrong type"))),
    ];
    for (changes, expected) in cases {
        let expected = expected.map_or(Ok(()), |(check, detail)| Err((check, detail.to_owned())));
        let token = signed(&but(&changes));
        assert_eq!(readable.outcome(&token).await, expected, "{changes}");
        // Where the tokens are opaque to us, nothing of them is read.
        assert_eq!(opaque.outcome(&token).await, Ok(()), "{changes}");
    }
}

#[tokio::test]
async fn te_b4_a_claim_that_is_null_is_not_absent() {
    let desk = Desk::new(users(ReadableJwt::new())).await;
    for (claim, check) in [("aud", "issued_aud"), ("act", "issued_act"), ("azp", "issued_act"), ("exp", "issued_exp")] {
        let mut claims = good();
        claims.insert(claim.to_owned(), Value::Null);
        let expected = Err((check, format!("{claim} is of a wrong type")));
        assert_eq!(desk.outcome(&signed(&claims)).await, expected);
    }
}

#[tokio::test]
async fn te_b4_a_token_that_says_a_tenant_says_the_one_of_the_user() {
    let cases = [
        (Some("acme"), json!({"tid": "acme"}), Ok(())),
        (Some("acme"), json!({}), Ok(())),
        (None, json!({"tid": "acme"}), Ok(())),
        (Some("acme"), json!({"tid": "umbrella"}), Err("tid is another than the subject token's")),
        (Some("acme"), json!({"tid": 1}), Err("tid is of a wrong type")),
    ];
    for (tenant, claims, expected) in cases {
        let desk = Desk::new(users(ReadableJwt::new())).await;
        let alice = desk.world.of_tenant(tenant, "alice", &["orders"], &json!({}));
        let expected = expected.map_err(|detail: &str| ("issued_sub", detail.to_owned()));
        assert_eq!(desk.judged(&alice, &claims).await, expected, "{tenant:?} {claims}");
    }
}

#[tokio::test]
async fn te_b4_a_token_for_a_workload_that_acts_for_itself_is_of_that_workload() {
    let of_workloads = |target: Target| target.token_exchange().on_behalf_of(OnBehalfOf::Workload);
    for (sub, expected) in [("storefront", Ok(())), ("stock", Err("sub is another than the subject token's"))] {
        let desk = Desk::new(|target| of_workloads(target).readable_jwt(ReadableJwt::new())).await;
        let storefront = desk.world.of_workload(&json!({"sub": "storefront"}));
        let expected = expected.map_err(|detail: &str| ("issued_sub", detail.to_owned()));
        assert_eq!(desk.judged(&storefront, &json!({"sub": sub})).await, expected, "{sub}");
    }
}

#[tokio::test]
async fn te_b4_what_is_no_jwt_is_not_sent_where_one_is_expected() {
    let not_a_jwt = || Err(("issued_jwt", "the token is not the JWT that the target's row says it is".to_owned()));
    let desk = Desk::new(users(ReadableJwt::new())).await;
    for token in ["opaque", "a.b.c", "e30.e30.AA", "a.b.c.d.e"] {
        assert_eq!(desk.outcome(token).await, not_a_jwt(), "{token}");
    }
    // A name that occurs twice is two answers to whom it is for.
    let jwt = signed(&good());
    let (header, signature) = (jwt.split('.').next().expect("one"), jwt.split('.').nth(2).expect("three"));
    let with = |payload: &str| format!("{header}.{payload}.{signature}");
    // {"aud":"payments","aud":"ledger","sub":"alice"} and {"aud":"payments","sub":"alice"}
    let twice = "eyJhdWQiOiJwYXltZW50cyIsImF1ZCI6ImxlZGdlciIsInN1YiI6ImFsaWNlIn0";
    let once = "eyJhdWQiOiJwYXltZW50cyIsInN1YiI6ImFsaWNlIn0";
    assert_eq!(desk.outcome(&with(twice)).await, not_a_jwt());
    assert_eq!(desk.outcome(&with(once)).await, Ok(()));
}

#[tokio::test]
async fn te_b4_a_row_says_how_the_server_names_the_target_the_user_and_us() {
    let cases = [
        (ReadableJwt::new().audience("7f0c"), json!({"aud": "7f0c"}), json!({"aud": "payments"}), "issued_aud"),
        (
            ReadableJwt::new().user_claim("oid"),
            json!({"sub": "x-at-payments", "oid": "alice"}),
            json!({"sub": "alice", "oid": "bob"}),
            "issued_sub",
        ),
        (ReadableJwt::new().user_claim("oid"), json!({"oid": "alice"}), json!({"sub": "alice"}), "issued_sub"),
        (ReadableJwt::new().mapped_subjects(), json!({"sub": "x-at-payments"}), json!({"sub": "orders"}), "issued_sub"),
        (ReadableJwt::new().mapped_subjects(), json!({"sub": "bob"}), json!({"sub": null}), "issued_sub"),
        (
            ReadableJwt::new().known_as("client:orders"),
            json!({"act": {"sub": "client:orders"}}),
            json!({"act": {"sub": "client:storefront"}}),
            "issued_act",
        ),
        (
            ReadableJwt::new().known_as("spiffe://example.org/orders"),
            json!({"act": {"sub": "spiffe://example.org/orders", "iss": "spiffe://example.org"}}),
            json!({"act": {"sub": "orders", "iss": "spiffe://example.org"}}),
            "issued_act",
        ),
    ];
    for (readable, control, attack, check) in cases {
        let name = format!("{readable:?}");
        let desk = Desk::new(users(readable)).await;
        assert_eq!(desk.outcome(&signed(&but(&control))).await, Ok(()), "{name}");
        let refused = desk.outcome(&signed(&but(&attack))).await.expect_err(&name);
        assert_eq!(refused.0, check, "{name}");
    }
    let by_resource = |target: Target| target.resource("https://payments.internal/v1").token_exchange();
    let desk = Desk::new(|target| by_resource(target).readable_jwt(ReadableJwt::new())).await;
    let at_resource = json!({"aud": "https://payments.internal/v1"});
    assert_eq!(desk.outcome(&signed(&but(&at_resource))).await, Ok(()));
    let above = json!({"aud": "https://payments.internal/"});
    assert_eq!(desk.outcome(&signed(&but(&above))).await.expect_err("another").0, "issued_aud");
}

#[tokio::test]
async fn te_b4_users_of_another_issuer_go_by_what_the_server_calls_them_but_never_by_our_name() {
    for (sub, expected) in
        [(json!("partner|alice"), None), (json!("orders"), Some("issued_sub")), (json!(null), Some("issued_sub"))]
    {
        let world = World::new().await;
        let endpoint = world.authority.endpoint("orders").accepts_issuer("https://partner.example");
        let target = world.payments.target().token_exchange().readable_jwt(ReadableJwt::new());
        let outbound = world.builder_at(endpoint).target(target);
        let http = client(&outbound.build().expect("outbound"));
        world.authority.answers(bringing(&signed(&but(&json!({"sub": sub})))));
        let partners = world.of_issuer("https://partner.example", Some("alice"), "token-of-partner", 3600);
        let response = http.get(world.payments.url("/")).on_behalf_of(&partners).send().await;
        let check = response.as_ref().err().and_then(|error| error.refusal()).map(Refusal::check);
        assert_eq!((check, world.payments.got().len()), (expected, usize::from(expected.is_none())), "{sub}");
    }
}

#[tokio::test]
async fn te_b4_this_services_own_token_is_for_the_target_and_ours() {
    let desk = Desk::new(|target| target.client_credentials().readable_jwt(ReadableJwt::new())).await;
    let cases = [
        (json!({"sub": "orders", "act": null}), None),
        (json!({"sub": "service-account-7", "act": null, "azp": "orders"}), None),
        (json!({"sub": "orders", "act": null, "aud": "ledger"}), Some("issued_aud")),
        (json!({"sub": "storefront", "act": null, "client_id": "storefront"}), Some("issued_act")),
    ];
    for (changes, expected) in cases {
        // One token for whoever is calling: it is forgotten before the next.
        desk.world.time.advance(300);
        let outcome = desk.outcome(&signed(&but(&changes))).await;
        assert_eq!(outcome.err().map(|(check, _)| check), expected, "{changes}");
    }
}

#[tokio::test]
async fn out_b3_a_token_that_we_may_read_is_used_no_longer_than_it_says_itself() {
    for (readable, seconds, second_call) in [(true, 50, true), (true, 49, false), (false, 50, false)] {
        let world = World::new().await;
        let mut target = world.payments.target().token_exchange();
        if readable {
            target = target.readable_jwt(ReadableJwt::new());
        }
        let http = client(&world.builder().target(target).build().expect("outbound"));
        world.authority.answers(bringing(&signed(&but(&json!({"exp": START + 60})))));
        sent(&http, &world, "token-of-alice").await.expect("sent");
        world.time.advance(seconds);
        let end = START + 600;
        world.authority.answers(bringing(&signed(&but(&json!({"exp": end, "jti": "second"})))));
        let again = sent(&http, &world, "token-of-alice").await.expect("sent");
        let first = world.payments.got()[0].authorization()[0].to_owned();
        assert_eq!(again != first, second_call, "{readable} {seconds}");
    }
}

#[tokio::test]
async fn out_b3_a_lifetime_of_zero_is_none() {
    for (expires_in, expected) in [("0", Some("token_request")), ("\"0\"", Some("token_request")), ("1", None)] {
        let world = World::new().await;
        let answer = bringing("opaque").body.replace("300", expires_in);
        world.authority.answers(Answer::ok(answer));
        let refused = sent(&world.for_users(), &world, "token-of-alice").await.err();
        assert_eq!(refused.as_ref().map(Refusal::check), expected, "{expires_in}");
        assert_eq!(world.payments.got().len(), usize::from(expected.is_none()), "{expires_in}");
    }
}

#[tokio::test]
async fn out_b14_a_credential_over_the_rows_limit_is_not_sent_and_its_heaviest_claims_are_named() {
    let limited = |bytes: usize| move |target: Target| target.token_exchange().max_credential_bytes(bytes);
    let roles: Vec<_> = (0..40).map(|role| format!("s3cret-role-{role}")).collect();
    let token = signed(&but(&json!({ "roles": roles })));
    let bytes = "Bearer ".len() + token.len();
    assert_eq!(outcome(limited(bytes), &token).await, Ok(()));
    let (check, detail) = outcome(limited(bytes - 1), &token).await.expect_err("too large");
    assert_eq!(check, "credential_bytes");
    let sizes = format!("the credential has {bytes} bytes, more than max_credential_bytes, {}", bytes - 1);
    assert!(detail.starts_with(&format!("{sizes}; its heaviest claims are \"roles\" (671 bytes), ")), "{detail}");
    assert!(!detail.contains("s3cret"), "{detail}");
    // One that is opaque has no claims to name.
    let (_, detail) = outcome(limited(12), "opaque").await.expect_err("too large");
    assert_eq!(detail, "the credential has 13 bytes, more than max_credential_bytes, 12");
}

#[tokio::test]
async fn out_b1_rows_that_demand_different_things_share_no_token() {
    let world = World::new().await;
    let target = |path: &str| world.payments.target().path_prefix(path).token_exchange();
    let outbound = world
        .builder()
        .target(target("/opaque"))
        .target(target("/same"))
        .target(target("/readable").readable_jwt(ReadableJwt::new()))
        .target(target("/small").max_credential_bytes(100));
    let http = client(&outbound.build().expect("outbound"));
    world.authority.answers(bringing(&signed(&but(&json!({"sub": "bob"})))));
    let alice = world.caller("alice");
    let mut checks = Vec::new();
    for path in ["/opaque", "/same", "/readable", "/small"] {
        let response = http.get(world.payments.url(path)).on_behalf_of(&alice).send().await;
        checks.push(response.err().and_then(|error| error.refusal().map(Refusal::check)));
    }
    assert_eq!(checks, [None, None, Some("issued_sub"), Some("credential_bytes")]);
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (3, 2));
}

#[test]
fn a_limit_that_no_server_has_is_refused_at_build() {
    let build = |bytes| {
        let auth = tower_identity_oauth::ClientAuth::client_secret_post(
            "orders",
            tower_identity_core::SecretToken::new("s3cret"),
        );
        let endpoint =
            tower_identity_oauth::TokenEndpoint::discover("https://login.example.com", auth.expect("client"));
        let target = Target::origin("https://payments.internal").expect("origin").audience("payments").token_exchange();
        let target = target.max_credential_bytes(bytes);
        tower_identity_outbound::Outbound::builder(endpoint).target(target).build().map(drop)
    };
    for (bytes, good) in [(0, false), (1, true), (65_536, true), (65_537, false)] {
        let refused = build(bytes).err().map(|wrong| wrong.to_string());
        let expected = "target[0].max_credential_bytes: is not from 1 to 65536".to_owned();
        assert_eq!(refused, (!good).then_some(expected), "{bytes}");
    }
}
