mod assertions;
mod dialects;
mod failures;
#[cfg(feature = "transaction-tokens")]
mod transactions;

use serde_json::json;
use tower_identity_core::{Fault, RefusalKind, Scopes};

use super::*;
use crate::{ClientCredentials, TargetService, TokenExchange, TokenType};

const ACCESS: &str = TokenType::AccessToken.as_str();

fn target() -> TargetService {
    TargetService {
        audience: Some("payments".parse().expect("audience")),
        scopes: scopes("charge refund"),
        tolerated: scopes("profile"),
        ..TargetService::default()
    }
}

fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).expect("scopes")
}

fn exchange() -> Grant {
    TokenExchange::new(SecretToken::new("user"), target()).expect("exchangeable").into()
}

fn client_credentials() -> Grant {
    ClientCredentials::new(target()).into()
}

fn answer(status: u16, body: impl Into<bytes::Bytes>) -> Answer {
    Answer { status: StatusCode::from_u16(status).expect("status"), retry_after: None, body: body.into() }
}

fn success(grant: &Grant, body: &Value) -> Result<IssuedToken, Nonsense> {
    read_success(grant, body.to_string().as_bytes())
}

/// The answer that every case below differs from in one member.
fn usual() -> Value {
    json!({
        "access_token": "eyJ.a-b_c~d+e/f==",
        "token_type": "Bearer",
        "issued_token_type": ACCESS,
        "expires_in": 300,
        "scope": "charge",
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut body = usual();
    body[member] = value;
    body
}

fn without(member: &str) -> Value {
    let mut body = usual();
    body.as_object_mut().expect("object").remove(member);
    body
}

fn issued(granted: &str, expires_in: Option<u64>) -> Result<IssuedToken, Nonsense> {
    Ok(IssuedToken {
        access_token: SecretToken::new("eyJ.a-b_c~d+e/f=="),
        scopes: scopes(granted),
        expires_in: expires_in.map(Duration::from_secs),
        standing: None,
    })
}

#[test]
fn what_servers_really_answer_is_read() {
    let cases = [
        ("as the standard has it", usual(), issued("charge", Some(300))),
        ("token type in lower case", with("token_type", json!("bearer")), issued("charge", Some(300))),
        ("token type in upper case", with("token_type", json!("BEARER")), issued("charge", Some(300))),
        ("no scope: as asked", without("scope"), issued("charge refund", Some(300))),
        ("a null scope: as asked", with("scope", Value::Null), issued("charge refund", Some(300))),
        ("an empty scope: nothing", with("scope", json!("")), issued("", Some(300))),
        ("a tolerated scope", with("scope", json!("profile charge")), issued("charge profile", Some(300))),
        ("no lifetime", without("expires_in"), issued("charge", None)),
        ("a null lifetime", with("expires_in", Value::Null), issued("charge", None)),
        ("a lifetime in digits", with("expires_in", json!("3599")), issued("charge", Some(3599))),
        ("a lifetime with a fraction", with("expires_in", json!(299.9)), issued("charge", Some(299))),
        ("null members that mean nothing", with("refresh_token", Value::Null), issued("charge", Some(300))),
        ("members of the server's own", with("expires_at", json!({"a": [1]})), issued("charge", Some(300))),
    ];
    for (name, body, expected) in cases {
        assert_eq!(success(&exchange(), &body), expected, "{name}");
    }
    for plain in [without("issued_token_type"), with("issued_token_type", Value::Null)] {
        assert_eq!(success(&client_credentials(), &plain), issued("charge", Some(300)), "{plain}");
    }
}

#[test]
fn out_b5_only_a_bearer_token_is_used() {
    for (found, refused) in [
        (json!("N_A"), Nonsense::TokenType("N_A".into())),
        (json!("DPoP"), Nonsense::TokenType("DPoP".into())),
        (json!("mac"), Nonsense::TokenType("mac".into())),
        (json!(""), Nonsense::TokenType(String::new())),
        (json!("x".repeat(16)), Nonsense::TokenType("x".repeat(16))),
        (json!("x".repeat(17)), Nonsense::TokenType("something else".into())),
        (json!(["Bearer"]), Nonsense::Member("token_type")),
        (Value::Null, Nonsense::Member("token_type")),
    ] {
        for grant in [exchange(), client_credentials()] {
            assert_eq!(success(&grant, &with("token_type", found.clone())), Err(refused.clone()), "{found}");
        }
    }
    assert_eq!(success(&exchange(), &without("token_type")), Err(Nonsense::Member("token_type")));
}

#[test]
fn te_b1_an_exchange_issues_the_type_that_was_requested() {
    let refresh = "urn:ietf:params:oauth:token-type:refresh_token";
    for (found, refused) in [
        (json!(refresh), Nonsense::IssuedTokenType(refresh.into())),
        (json!(ACCESS.to_uppercase()), Nonsense::IssuedTokenType("something else".into())),
        (json!(1), Nonsense::Member("issued_token_type")),
        (Value::Null, Nonsense::Member("issued_token_type")),
    ] {
        assert_eq!(success(&exchange(), &with("issued_token_type", found.clone())), Err(refused), "{found}");
    }
    // What a server answers that lost the subject token on the way and granted client credentials instead.
    assert_eq!(success(&exchange(), &without("issued_token_type")), Err(Nonsense::Member("issued_token_type")));
    assert_eq!(success(&exchange(), &usual()), issued("charge", Some(300)), "the control");
}

#[test]
fn cve_2022_1245_a_scope_wider_than_asked_is_refused() {
    for grant in [exchange(), client_credentials()] {
        let wider = |granted: &str| {
            let accepted = scopes("charge refund profile");
            Err(Nonsense::WiderScope { accepted, granted: scopes(granted) })
        };
        for granted in ["charge admin profile email", "Charge"] {
            assert_eq!(success(&grant, &with("scope", json!(granted))), wider(granted));
        }
        assert_eq!(
            success(&grant, &with("scope", json!("charge refund profile"))),
            issued("charge refund profile", Some(300))
        );
    }
    let asks_for_nothing: Grant = ClientCredentials::new(TargetService::default()).into();
    let everything = success(&asks_for_nothing, &usual());
    let beyond = Nonsense::WiderScope { accepted: Scopes::default(), granted: scopes("charge") };
    assert_eq!(everything, Err(beyond), "a default is not what was asked");
    assert_eq!(success(&asks_for_nothing, &without("scope")), issued("", Some(300)));
}

#[test]
fn members_outside_their_grammar_are_refused() {
    let cases = [
        ("access_token", json!("")),
        ("access_token", json!("==")),
        ("access_token", json!("a b")),
        ("access_token", json!("a\r\nx: y")),
        ("access_token", json!("a,b")),
        ("access_token", json!("a=b")),
        ("access_token", json!("ä")),
        ("access_token", json!(7)),
        ("access_token", Value::Null),
        ("scope", json!(["charge"])),
        ("scope", json!("char\"ge")),
        ("expires_in", json!("-1")),
        ("expires_in", json!("300.5")),
        ("expires_in", json!([300])),
        ("expires_in", json!("soon")),
        ("expires_in", json!("")),
        ("expires_in", json!(1e300)),
        ("expires_in", json!(true)),
    ];
    for (member, value) in cases {
        let refused = success(&exchange(), &with(member, value.clone()));
        assert_eq!(refused, Err(Nonsense::Member(member)), "{member} {value}");
    }
    assert_eq!(success(&exchange(), &without("access_token")), Err(Nonsense::Member("access_token")));
}

#[test]
fn out_b3_a_token_without_a_life_is_the_servers_fault() {
    for ended in [json!(0), json!(0.0), json!(0.9), json!("0"), json!(-1), json!(-0.5), json!(-9_000_000_000_i64)] {
        for grant in [exchange(), client_credentials()] {
            assert_eq!(success(&grant, &with("expires_in", ended.clone())), Err(Nonsense::NoLifetime), "{ended}");
        }
    }
    for (one, whole) in [(json!(1), 1), (json!(1.9), 1), (json!("1"), 1)] {
        assert_eq!(success(&exchange(), &with("expires_in", one)), issued("charge", Some(whole)), "the control");
    }
    let error = TokenErrorKind::Nonsense { what: Nonsense::NoLifetime };
    assert_eq!(error.to_string(), "the server's answer cannot be used: expires_in is zero or negative");
    assert_eq!(error.refusal_kind().fault(), Fault::AuthorizationServer);
}

/// What servers of others were seen to answer, cut to a token that can be told.
#[test]
fn answers_that_were_seen_are_read_as_they_are_meant() {
    let oidc_provider = json!({"access_token": "ZdT8M6", "expires_in": 300, "scope": "charge", "token_type": "Bearer"});
    let authgent = json!({
        "access_token": "ZdT8M6", "token_type": "Bearer", "expires_in": 300, "scope": "charge",
        "refresh_token": null, "issued_token_type": null,
    });
    let authgent_exchanged = json!({
        "access_token": "ZdT8M6", "token_type": "Bearer", "expires_in": 300, "scope": "charge",
        "refresh_token": null, "issued_token_type": ACCESS,
    });
    let oauth_as = json!({
        "access_token": "ZdT8M6", "issued_token_type": ACCESS, "token_type": "Bearer", "expires_in": 299,
        "scope": "charge refund",
    });
    let in_c = json!({"access_token": "ZdT8M6", "token_type": "bearer", "expires_in": 300, "scope": "charge"});
    let in_typescript = json!({
        "access_token": "ZdT8M6", "token_type": "Bearer", "expires_in": 300, "expires_at": 1_796_112_936,
        "scope": "charge", "id_token": "x", "iat": 1_796_112_636.080_216,
    });
    let silent = json!({"access_token": "ZdT8M6", "expires_in": 300, "token_type": "Bearer"});
    let token = |granted: &str, seconds| {
        let issued = issued(granted, Some(seconds)).expect("it is");
        Ok(IssuedToken { access_token: SecretToken::new("ZdT8M6"), ..issued })
    };
    for (name, grant, body, expected) in [
        ("oidc-provider", client_credentials(), oidc_provider, token("charge", 300)),
        ("oidc-provider, of unknown scopes", client_credentials(), silent, token("charge refund", 300)),
        ("authgent", client_credentials(), authgent.clone(), token("charge", 300)),
        ("authgent, a plain grant for an exchange", exchange(), authgent, Err(Nonsense::Member("issued_token_type"))),
        ("authgent, an exchange", exchange(), authgent_exchanged, token("charge", 300)),
        ("oauth-as", exchange(), oauth_as, token("charge refund", 299)),
        ("one in C", client_credentials(), in_c, token("charge", 300)),
        ("one in TypeScript", client_credentials(), in_typescript, token("charge", 300)),
    ] {
        assert_eq!(success(&grant, &body), expected, "{name}");
    }

    // Transaction tokens, and grants for another server, are no access tokens.
    for issued in ["txn_token", "jwt"] {
        let issued = format!("urn:ietf:params:oauth:token-type:{issued}");
        let body = json!({
            "access_token": "ZdT8M6", "token_type": "N_A", "expires_in": 120, "scope": "charge",
            "refresh_token": null, "issued_token_type": issued,
        });
        assert_eq!(success(&exchange(), &body), Err(Nonsense::TokenType("N_A".into())), "{issued}");
    }
}

#[test]
fn a_wider_scope_is_told_with_both_sets_and_what_to_do() {
    let what = Nonsense::WiderScope { accepted: scopes("charge profile"), granted: scopes("admin charge") };
    assert_eq!(
        what.to_string(),
        "the scope is wider than asked: \"admin charge\" is granted and \"charge profile\" accepted; where the rest may \
         come unasked, name it in the target's tolerate_scope"
    );
}

#[test]
fn g7_a_token_that_nobody_reads_for_its_length_is_the_servers_fault() {
    let of = |length: usize| success(&exchange(), &with("access_token", json!("a".repeat(length))));
    assert_eq!(of(MAX_ISSUED_TOKEN_BYTES + 1), Err(Nonsense::TokenTooLong(MAX_ISSUED_TOKEN_BYTES + 1)));
    let longest = of(MAX_ISSUED_TOKEN_BYTES).expect("as long as is read");
    assert_eq!(longest.access_token().expose().len(), MAX_ISSUED_TOKEN_BYTES);

    let error = TokenErrorKind::Nonsense { what: Nonsense::TokenTooLong(90_000) };
    assert_eq!(
        error.to_string(),
        "the server's answer cannot be used: the access token has 90000 bytes, at most 65536 are read anywhere"
    );
    assert_eq!(
        (error.refusal_kind(), error.refusal_kind().fault()),
        (RefusalKind::BadUpstream, Fault::AuthorizationServer)
    );
}

#[test]
fn a_success_is_one_json_object_that_says_nothing_twice() {
    let twice = usual().to_string().replacen('{', r#"{"scope":"charge","#, 1);
    let deep = with("x", serde_json::from_str(&format!("{}{}", "[".repeat(40), "]".repeat(40))).expect("json"));
    for body in ["", "<!doctype html><title>Login</title>", "[]", "null", "\"token\"", &twice, &deep.to_string()] {
        assert_eq!(read_success(&exchange(), body.as_bytes()), Err(Nonsense::NotJson), "{body}");
    }
}
