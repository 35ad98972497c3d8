//! Ways to a token by the grants of some servers: what is sent, to whom nothing is, and what is remembered.

use serde_json::json;
use tower_identity_core::{
    CallerContext, Credential, DemandedClaims, Evidence, RefusalKind, SecretToken, VerifiedTokenParts, Workload,
};
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_oauth::{CustomGrantType, Parameters};
use tower_identity_outbound::{EntraOnBehalfOf, HttpClient, OnBehalfOf, OutboundBuilder, Target};

use crate::support::{Answer, Call, EXCHANGE, World, call, client, echoed, issued, refused};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

fn http(world: &World, target: Target) -> HttpClient {
    client(&world.builder().target(target).build().expect("outbound"))
}

/// A row that asks for a scope and names nobody.
fn scoped(world: &World, scope: &str) -> Target {
    Target::origin(&world.payments.url("")).expect("origin").scope(scope)
}

async fn send(http: &HttpClient, world: &World, caller: &CallerContext) -> String {
    echoed(http.get(world.payments.url("/charges")).on_behalf_of(caller).send().await).await
}

/// The check that fails, once it is sure that nobody was asked and nothing sent.
async fn unsent(http: &HttpClient, world: &World, caller: &CallerContext) -> (String, String) {
    let (asked, got) = (world.authority.calls().len(), world.payments.got().len());
    let (check, text) = refused(http.get(world.payments.url("/charges")).on_behalf_of(caller).send().await);
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (asked, got), "{text}");
    (check.to_owned(), text)
}

fn for_audience(audience: &str) -> impl FnOnce(&mut VerifiedTokenParts) {
    let audience = audience.parse().expect("audience");
    |parts| parts.audience = vec![audience]
}

/// A token that says it is bound to a key, and is all right else.
fn bound(change: impl FnOnce(&mut VerifiedTokenParts)) -> impl FnOnce(&mut VerifiedTokenParts) {
    |parts| {
        change(parts);
        let payload = br#"{"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}"#.as_slice().into();
        parts.credential = Credential::Token { token: SecretToken::new("bound"), payload };
    }
}

/// The token of an app that acts for nobody.
fn of_an_app(parts: &mut VerifiedTokenParts) {
    parts.identity.user = None;
    parts.identity.evidence = Evidence::Subject;
}

fn delegation() -> CustomGrantType {
    CustomGrantType::new("delegation", "token").expect("usable")
}

#[tokio::test]
async fn deleg_b1_a_custom_grant_sends_the_users_token_as_its_parameter() {
    let world = World::new().await;
    let row = scoped(&world, "api2").parameters([("tenant", "acme")]);
    let http = http(&world, row.custom_grant(delegation()));
    assert_eq!(send(&http, &world, &world.caller("alice")).await, "Bearer token-0");
    let expected = call([
        ("grant_type", "delegation"),
        ("token", "token-of-alice"),
        ("tenant", "acme"),
        ("scope", "api2"),
        ("client_id", "orders"),
    ]);
    assert_eq!(world.authority.calls(), [expected]);
    assert_eq!(send(&http, &world, &world.caller("alice")).await, "Bearer token-0", "remembered");
    assert_eq!(send(&http, &world, &world.caller("bob")).await, "Bearer token-1", "and nobody else's");

    let stranger = world.of_issuer("https://partner.example", Some("alice"), "token-of-partner", 3600);
    assert_eq!(unsent(&http, &world, &stranger).await.0, "subject_issuer");
}

#[tokio::test]
async fn deleg_b1_everything_of_a_custom_grant_is_part_of_the_key() {
    let world = World::new().await;
    let named = |name: &str, subject: &str| CustomGrantType::new(name, subject).expect("usable");
    let same = || (delegation(), ("tenant", "acme"));
    let grants = [
        same(),
        (named("delegation2", "token"), ("tenant", "acme")),
        (named("delegation", "user_token"), ("tenant", "acme")),
        (delegation(), ("tenant", "other")),
        (delegation(), ("mode", "acme")),
        // These two share one token.
        same(),
    ];
    let rows = grants.into_iter().enumerate().map(|(index, (grant, parameter))| {
        let row = scoped(&world, "api2").path_prefix(&format!("/{index}"));
        row.parameters([parameter]).custom_grant(grant)
    });
    let http = client(&rows.fold(world.builder(), OutboundBuilder::target).build().expect("outbound"));
    for (index, token) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 0)] {
        let url = world.payments.url(&format!("/{index}"));
        let response = http.get(url).on_behalf_of(&world.caller("alice")).send().await;
        assert_eq!(echoed(response).await, format!("Bearer token-{token}"), "{index}");
    }
}

#[tokio::test]
async fn deleg_b1_no_parameter_takes_the_place_of_the_callers_token() {
    let world = World::new().await;
    let built = |parameter| {
        let grant = CustomGrantType::new("delegation", "user_token").expect("usable");
        let row = scoped(&world, "api2").custom_grant(grant).parameters([(parameter, "a")]);
        world.builder().target(row).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    for name in ["user_token", "User_Token"] {
        let rule = "is what \"delegation\" sends the caller's token as; the two are one parameter";
        assert_eq!(built(name), Err(format!("target[0].parameters.{name}: {rule}")));
    }
    assert_eq!(built("user_tokens"), Ok(()));

    let at_server = |parameter| {
        let parameters = Parameters::new([(parameter, "a")]).expect("usable");
        let endpoint = world.authority.endpoint("orders").parameters(parameters);
        let grant = CustomGrantType::new("delegation", "user_token").expect("usable");
        let row = scoped(&world, "api2").custom_grant(grant);
        world.builder_at(endpoint).target(row).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let rule = "is among the parameters of the row's server, too: \"user_token\"";
    let expected = format!("target[0].strategy.custom_grant.subject_parameter: {rule}");
    assert_eq!(at_server("user_token"), Err(expected));
    assert_eq!(at_server("user_tokens"), Ok(()));
}

/// What Entra ID answers: no type of token, and all scopes of the target.
fn by_entra() -> Answer {
    Answer::ok(
        r#"{"token_type":"Bearer","scope":"api://payments/charge","expires_in":3599,"ext_expires_in":3599,"access_token":"{token}"}"#,
    )
}

#[tokio::test]
async fn obo_b1_a_users_token_that_is_for_this_app_is_sent_and_no_other() {
    let world = World::new().await;
    world.authority.answers(by_entra());
    let row = || scoped(&world, "api://payments/.default");
    let entra = http(&world, row().entra_on_behalf_of());
    let (check, text) = unsent(&entra, &world, &world.with("alice", for_audience("api://orders.example.com"))).await;
    assert_eq!(check, "subject_aud");
    let expected = "takes a token for a user whose own is for this app, [\"orders\", \"api://orders\"], and the caller's \
                    token is for [\"api://orders.example.com\"]; if that is this app, too, name it in audiences";
    assert!(text.contains(expected), "{text}");

    for (number, audience) in ["orders", "api://orders"].into_iter().enumerate() {
        let caller = world.with(audience, for_audience(audience));
        assert_eq!(send(&entra, &world, &caller).await, format!("Bearer token-{number}"), "{audience}");
    }
    let expected = call([
        ("grant_type", JWT_BEARER),
        ("assertion", "token-of-orders"),
        ("requested_token_use", "on_behalf_of"),
        ("scope", "api://payments/.default"),
        ("client_id", "orders"),
    ]);
    assert_eq!(world.authority.calls()[0], expected);

    let named = row().strategy(EntraOnBehalfOf::new().audience("api://orders.example.com"));
    let caller = world.with("alice", for_audience("api://orders.example.com"));
    assert_eq!(send(&http(&world, named), &world, &caller).await, "Bearer token-2");
    assert_eq!(unsent(&entra, &world, &world.with("alice", bound(for_audience("orders")))).await.0, "bound");
}

#[tokio::test]
async fn obo_b2_an_apps_own_token_is_refused_or_is_for_this_service_itself_where_the_row_says_so() {
    let world = World::new().await;
    world.authority.answers(by_entra());
    let row = || scoped(&world, "api://payments/.default");
    let of_users = http(&world, row().entra_on_behalf_of());
    assert_eq!(unsent(&of_users, &world, &world.with("app", of_an_app)).await.0, "no_user");
    let of_all = http(&world, row().on_behalf_of(OnBehalfOf::WhoeverCalled).entra_on_behalf_of());
    let (check, text) = unsent(&of_all, &world, &world.with("app", of_an_app)).await;
    assert_eq!(check, "app_only");
    assert!(text.contains("say app_only = \"client_credentials\""), "{text}");

    let entra = EntraOnBehalfOf::new().app_only_as_service();
    let as_service = http(&world, row().on_behalf_of(OnBehalfOf::WhoeverCalled).strategy(entra));
    world.authority.answers(Answer::ok(by_entra().body.replace("api://payments/charge", "api://payments/.default")));
    assert_eq!(send(&as_service, &world, &world.with("app", of_an_app)).await, "Bearer token-0");
    let own =
        call([("grant_type", "client_credentials"), ("scope", "api://payments/.default"), ("client_id", "orders")]);
    assert_eq!(world.authority.calls(), [own]);
    assert_eq!(send(&as_service, &world, &world.caller("alice")).await, "Bearer token-1");
    assert_eq!(world.authority.calls()[1]["assertion"], "token-of-alice", "a user's is never the service's");
}

#[tokio::test]
async fn obo_b3_who_has_to_sign_in_again_is_told_so_and_nothing_is_sent() {
    let world = World::new().await;
    let http = http(&world, scoped(&world, "api://payments/.default").entra_on_behalf_of());
    let claims = r#"{\"access_token\":{\"acrs\":{\"essential\":true,\"value\":\"c1\"}}}"#;
    let body = format!(r#"{{"error":"interaction_required","suberror":"basic_action","claims":"{claims}"}}"#);
    world.authority.answers(Answer { status: axum::http::StatusCode::BAD_REQUEST, ..Answer::ok(body) });
    let caller = world.caller("alice");
    let error = http.get(world.payments.url("/")).on_behalf_of(&caller).send().await.expect_err("no token");
    let expected = RefusalKind::InsufficientAuthentication {
        scope: tower_identity_core::Scopes::default(),
        acr_values: vec!["c1".to_owned()],
        max_age: None,
    };
    let refusal = error.refusal().expect("of ours");
    assert_eq!(refusal.kind(), &expected);
    // As it came, for whoever asked for the token that is not enough.
    let demanded = refusal.demanded_claims().map(DemandedClaims::as_str);
    assert_eq!(demanded, Some(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#));
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (1, 0));

    world.authority.answers(by_entra());
    world.time.advance(2);
    assert_eq!(send(&http, &world, &caller).await, "Bearer token-1");
}

#[tokio::test]
async fn kc_b1_what_keycloak_would_refuse_is_not_sent_there() {
    let world = World::new().await;
    let http = http(&world, world.payments.target().keycloak_exchange());
    let (check, text) = unsent(&http, &world, &world.with("alice", for_audience("account"))).await;
    assert_eq!(check, "subject_aud");
    assert!(text.contains("have an audience mapper there put orders into the aud of such tokens"), "{text}");

    // For this client, or issued to it.
    assert_eq!(send(&http, &world, &world.with("alice", for_audience("orders"))).await, "Bearer token-0");
    let expected = call([
        ("grant_type", EXCHANGE),
        ("client_id", "orders"),
        ("subject_token", "token-of-alice"),
        ("subject_token_type", ACCESS),
        ("requested_token_type", ACCESS),
        ("audience", "payments"),
        ("scope", "payments:charge"),
    ]);
    assert_eq!(world.authority.calls(), [expected]);
    let issued_to =
        |issuer: &str| Workload { id: "orders".parse().expect("id"), issuer: issuer.parse().expect("issuer") };
    let azp = |user: &str, workload: Workload| {
        world.with(user, |parts| {
            for_audience("account")(parts);
            parts.identity.workload = workload;
        })
    };
    let own = issued_to(world.authority.issuer());
    assert_eq!(send(&http, &world, &azp("bob", own)).await, "Bearer token-1");
    let elsewhere = issued_to("https://other.example");
    assert_eq!(unsent(&http, &world, &azp("carol", elsewhere)).await.0, "subject_aud");
}

#[tokio::test]
async fn kc_b2_keycloak_gets_its_own_tokens_that_are_bound_to_no_key() {
    let world = World::new().await;
    let endpoint = world.authority.endpoint("orders").accepts_issuer("https://partner.example");
    let row = world.payments.target().keycloak_exchange();
    let http = client(&world.builder_at(endpoint).target(row).build().expect("outbound"));
    let stranger = world.of_issuer("https://partner.example", Some("alice"), "token-of-partner", 3600);
    let (check, text) = unsent(&http, &world, &stranger).await;
    assert_eq!(check, "subject_issuer");
    assert!(text.contains("exchanges its own tokens and none of https://partner.example"), "{text}");
    assert_eq!(unsent(&http, &world, &world.with("alice", bound(for_audience("orders")))).await.0, "bound");
    assert_eq!(send(&http, &world, &world.with("alice", for_audience("orders"))).await, "Bearer token-0");
}

#[tokio::test]
async fn kc_b1_what_keycloak_answers_is_our_configuration_and_nothing_is_sent() {
    for (status, code) in [(403, "access_denied"), (400, "invalid_client")] {
        let world = World::new().await;
        let http = http(&world, world.payments.target().keycloak_exchange());
        world.authority.answers(Answer::error(status, code));
        let caller = world.caller("alice");
        let error = http.get(world.payments.url("/")).on_behalf_of(&caller).send().await.expect_err(code);
        assert_eq!(error.refusal().expect("of ours").kind(), &RefusalKind::Misconfigured, "{code}");
        assert_eq!((world.authority.calls().len(), world.payments.got().len()), (1, 0), "{code}");
        world.authority.answers(issued(300));
        world.time.advance(2);
        assert_eq!(send(&http, &world, &caller).await, "Bearer token-1", "{code}");
    }
}

#[tokio::test]
async fn kc_b1_a_row_says_what_keycloak_knows() {
    let world = World::new().await;
    let built = |row: Target| world.builder().target(row).build().map(drop).map_err(|wrong| wrong.to_string());
    let row = || world.payments.target().keycloak_exchange();
    assert_eq!(built(row()), Ok(()));
    let rule = "target[0].resource: is nothing that Keycloak knows; name a client by audience";
    assert_eq!(built(row().resource("https://payments.internal/")), Err(rule.to_owned()));
    let rule = "target[0].actor_token: belongs to an exchange; with keycloak_exchange nobody acts";
    assert_eq!(built(row().actor_token()), Err(rule.to_owned()));
}

#[tokio::test]
async fn rfc7523_b3_a_callers_token_is_a_grant_where_it_is_for_the_server_and_says_nothing_else() {
    let world = World::new().await;
    let http = http(&world, world.payments.target().by_assertion());
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    let caller = |user: &str, typ: &str, audience: &str| {
        let token = key.sign(&MediaType::parse(typ).expect("type"), &json!({"sub": user})).expect("signed");
        world.with(user, |parts| {
            parts.credential = Credential::Token { token, payload: (*b"{}").into() };
            parts.audience.push(audience.parse().expect("audience"));
        })
    };
    let server = world.authority.issuer();
    let (check, text) = unsent(&http, &world, &caller("alice", "JWT", "https://other.example")).await;
    assert_eq!(check, "subject_aud");
    assert!(text.contains("so it is no grant there; make the strategy chaining"), "{text}");
    assert_eq!(unsent(&http, &world, &caller("alice", "at+jwt", server)).await.0, "assertion");

    let grant = caller("alice", "JWT", server);
    assert_eq!(send(&http, &world, &grant).await, "Bearer token-0");
    let token = grant.user_token().expect("a user").token().expect("a token").expose().to_owned();
    let expected = call([
        ("grant_type", JWT_BEARER),
        ("assertion", &token),
        ("scope", "payments:charge"),
        ("client_id", "orders"),
    ]);
    let calls: Vec<Call> = world.authority.calls();
    assert_eq!(calls, [expected]);
}
