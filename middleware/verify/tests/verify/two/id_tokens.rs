//! Users whose ID tokens their callers present: each attack beside a control that differs in one thing.

use serde_json::{Map, Value, json};
use tower_identity_core::{Binding, RefusalKind, Revocation, Revocations};
use tower_identity_testkit::LogCapture;
use tower_identity_verify::{Profile, TrustedIssuer, Verifier, VerifierBuilder, danger::id_tokens};

use super::{Authority, House, LOGIN, Outcome, PARTNER, decided, invalid, ok, unrelated};
use crate::support::{ManualClock, at_once};

const CLIENT: &str = "shop-web";

/// What comes of a caller's token and an ID token.
#[track_caller]
fn presenting(verifier: &Verifier, caller: &str, id_token: &str) -> Outcome {
    decided(verifier.current().over(None).signed_in(caller, id_token))
}

fn taking(house: &House) -> VerifierBuilder {
    id_tokens(house.builder(), ["gateway"], house.login.trusted(CLIENT))
}

/// Alice's, of her sign-in at the shop's client, with these claims changed; `null` leaves one out.
fn claims(changes: &Value) -> Value {
    let now = ManualClock::new().now().as_secs();
    let mut claims = json!({
        "iss": LOGIN, "sub": "alice", "aud": CLIENT, "iat": now, "exp": now + 120, "nonce": "n-0S6", "auth_time": now - 10,
        "acr": "gold", "name": "Alice Liddell",
    });
    let all = claims.as_object_mut().expect("an object");
    all.extend(changes.as_object().expect("an object").clone());
    all.retain(|_, value| !value.is_null());
    claims
}

fn signed(by: &Authority, typ: Option<&str>, changes: &Value) -> String {
    let mut header = Map::from_iter([("alg".to_owned(), json!("ES256")), ("kid".to_owned(), json!(by.key.key_id()))]);
    header.extend(typ.map(|typ| ("typ".to_owned(), json!(typ))));
    by.key.sign_with_header(&header, &claims(changes)).expect("signed").expose().to_owned()
}

fn id_token(house: &House, changes: &Value) -> String {
    signed(&house.login, Some("JWT"), changes)
}

fn own(house: &House, client: &str) -> String {
    house.login.sign(&house.login.own(client))
}

#[test]
fn named_a6_a_listed_callers_user_is_whom_the_id_token_names() {
    let house = House::new();
    let verifier = taking(&house).build().expect("valid");
    let alices = id_token(&house, &json!({}));
    assert_eq!(presenting(&verifier, &own(&house, "gateway"), &alices), ok("gateway for alice, none: of:gateway"));
    let untyped = signed(&house.login, None, &json!({}));
    assert_eq!(presenting(&verifier, &own(&house, "gateway"), &untyped), ok("gateway for alice, none: of:gateway"));
    // The controls: who is not listed, who does not prove itself, and a verifier that takes nobody's.
    assert_eq!(presenting(&verifier, &own(&house, "reports"), &alices), unrelated());
    let namesake = house.partner.sign(&house.partner.own("gateway"));
    assert_eq!(presenting(&verifier, &namesake, &alices), unrelated());
    let of_bob = house.login.sign(&house.login.of("bob", "gateway"));
    assert_eq!(presenting(&verifier, &of_bob, &alices), unrelated(), "issued to it, and in whose hands?");
    assert_eq!(presenting(&verifier, &alices, &alices).map_err(|(kind, _)| kind), Err(RefusalKind::InvalidToken));
    assert_eq!(presenting(&house.verifier(), &own(&house, "gateway"), &alices), unrelated());
}

#[test]
fn named_a6_an_id_token_is_one_of_that_client_and_in_time() {
    let house = House::new();
    let verifier = taking(&house).build().expect("valid");
    let now = ManualClock::new().now().as_secs();
    let gateway = own(&house, "gateway");
    let of = |changes: Value| presenting(&verifier, &gateway, &id_token(&house, &changes));
    let good = || ok("gateway for alice, none: of:gateway");
    for (changes, expected) in [
        (json!({}), good()),
        (json!({"azp": CLIENT}), good()),
        (json!({"aud": [CLIENT]}), good()),
        (json!({"typ": "ID"}), good()),
        (json!({"token_use": "id"}), good()),
        (json!({"exp": now - 29}), good()),
        (json!({"azp": "another"}), invalid("claims")),
        (json!({"aud": "another"}), invalid("aud")),
        (json!({"aud": [CLIENT, "another"]}), invalid("aud")),
        (json!({"aud": null}), invalid("aud")),
        (json!({"exp": now - 30}), invalid("exp")),
        (json!({"exp": null}), invalid("exp")),
        (json!({"iat": null}), invalid("iat")),
        (json!({"iat": now + 31}), invalid("iat")),
        (json!({"sub": null}), invalid("claims")),
        (json!({"sub": ""}), invalid("claims")),
        (json!({"iss": PARTNER}), invalid("iss")),
        (json!({"cnf": {"jkt": "x"}}), invalid("cnf")),
        // Access tokens, refresh tokens and logout tokens of the same key.
        (json!({"scope": "orders:write"}), invalid("kind")),
        (json!({"scp": ["orders:write"]}), invalid("kind")),
        (json!({"client_id": CLIENT}), invalid("kind")),
        (json!({"typ": "Bearer"}), invalid("kind")),
        (json!({"typ": "Refresh"}), invalid("kind")),
        (json!({"token_use": "access"}), invalid("kind")),
        (json!({"events": {}}), invalid("kind")),
    ] {
        assert_eq!(of(changes.clone()), expected, "{changes}");
    }
    for typ in ["at+jwt", "txntoken+jwt", "logout+jwt", "self-asserted+jwt", "secevent+jwt"] {
        assert_eq!(
            presenting(&verifier, &gateway, &signed(&house.login, Some(typ), &json!({}))),
            invalid("typ"),
            "{typ}"
        );
    }
    // By another's key under the name of the issuer's.
    let header = json!({"alg": "ES256", "kid": house.login.key.key_id(), "typ": "JWT"});
    let header = header.as_object().expect("an object").clone();
    let forged = Authority::new(LOGIN).key.sign_with_header(&header, &claims(&json!({}))).expect("signed");
    assert_eq!(presenting(&verifier, &gateway, forged.expose()), invalid("signature"));
    // And the other way round: what is an ID token is no credential of its own.
    let alone = decided(verifier.bearer(&id_token(&house, &json!({"aud": "orders"}))));
    assert_eq!(alone, invalid("typ"));
}

#[test]
fn named_a6_it_counts_as_a_name_does_and_nothing_of_it_is_kept() {
    let house = House::new();
    let list = Revocations::new(ManualClock::new().clock());
    let verifier = taking(&house).revocations(list.clone()).build().expect("valid");
    let (gateway, alices) = (own(&house, "gateway"), id_token(&house, &json!({"sid": "s-1"})));
    let caller = at_once(verifier.current().over(None).signed_in(&gateway, &alices)).expect("listed");
    assert!(caller.counts_together());
    assert_eq!(caller.principal().binding(), Binding::None);
    let now = ManualClock::new().now();
    let user = caller.user_token().expect("a user");
    assert!(user.token().is_none() && user.claims::<Value>().is_err(), "there is nothing to send on");
    assert_eq!(user.expires_at().since(now).as_secs(), 120, "the ID token ends first");
    assert_eq!(user.authentication().acr.as_deref(), Some("gold"));
    assert_eq!(user.attributes().display_name.as_deref(), Some("Alice Liddell"));
    assert_eq!(user.issued_at(), Some(now));
    assert_eq!(user.scopes(), caller.caller_token().scopes());
    let bobs = id_token(&house, &json!({"sub": "bob"}));
    list.revoke(Revocation::subject(LOGIN.parse().expect("an issuer"), "alice".parse().expect("a name")));
    assert!(caller.is_revoked());
    assert_eq!(presenting(&verifier, &gateway, &alices), invalid("revoked"));
    assert_eq!(presenting(&verifier, &gateway, &bobs), ok("gateway for bob, none: of:gateway"));
}

#[test]
fn named_a6_a_caller_may_present_those_of_several_issuers_each_for_its_client() {
    let house = House::new();
    let builder = id_tokens(taking(&house), ["gateway", "reports"], house.partner.trusted("partner-web"));
    let verifier = builder.build().expect("valid");
    let partners = |aud: &str| signed(&house.partner, Some("JWT"), &json!({"iss": PARTNER, "aud": aud}));
    let caller = at_once(verifier.current().over(None).signed_in(&own(&house, "gateway"), &partners("partner-web")));
    assert_eq!(caller.expect("listed").principal().user().expect("a user").issuer.as_str(), PARTNER);
    assert_eq!(presenting(&verifier, &own(&house, "gateway"), &partners(CLIENT)), invalid("aud"));
    assert_eq!(
        presenting(&verifier, &own(&house, "reports"), &partners("partner-web")),
        ok("reports for alice, none: of:reports")
    );
    assert_eq!(
        presenting(&verifier, &own(&house, "reports"), &id_token(&house, &json!({}))),
        invalid("iss"),
        "login's are the gateway's"
    );
}

#[test]
fn named_a6_whose_are_taken_is_listed_and_told() {
    let house = House::new();
    let built = |builder: VerifierBuilder| builder.build().map(drop).map_err(|wrong| wrong.to_string());
    let row = |callers: Vec<&'static str>, issuer: TrustedIssuer| built(id_tokens(house.builder(), callers, issuer));
    let wrong = |text: &str| Err(text.to_owned());
    assert_eq!(row(vec!["gateway"], house.login.trusted(CLIENT)), Ok(()));
    assert_eq!(row(vec![], house.login.trusted(CLIENT)), wrong("id_token[0].callers: names nobody"));
    assert_eq!(row(vec!["gateway"], house.login.trusted("")), wrong("id_token[0].issuer.audience: audience is empty"));
    let kubernetes = house.login.trusted(CLIENT).profile(Profile::Kubernetes);
    assert_eq!(
        row(vec!["gateway"], kubernetes),
        wrong("id_token[0].issuer.profile: is one whose ID tokens are not known")
    );

    let logs = LogCapture::start();
    let told = || logs.text().matches("callers present ID tokens of their users").count();
    house.verifier();
    assert_eq!(told(), 0, "the control");
    let verifier = taking(&house).build().expect("valid");
    let text = logs.text();
    assert!(text.contains("gateway of https://login.example.com") && text.contains("WARN"), "{text}");
    verifier.replace(taking(&house)).expect("valid");
    assert_eq!(told(), 1, "what is as it was is told once");
    verifier.replace(id_tokens(taking(&house), ["reports"], house.login.trusted(CLIENT))).expect("valid");
    assert_eq!(told(), 2);
}
